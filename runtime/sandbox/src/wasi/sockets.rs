//! `wasi:sockets`: there is no network. Making a socket and looking up a name
//! are refused, so nothing is ever there that the other functions could be
//! called on; they are linked because toolchains import them all.

use wasmtime::component::Resource;

use super::interface::Interface;

const DENIED: &str = "access-denied";

struct Network;
struct TcpSocket;
struct UdpSocket;
struct IncomingDatagramStream;
struct OutgoingDatagramStream;
struct ResolveAddressStream;

const TCP_SOCKET: [&str; 28] = [
    "start-bind",
    "finish-bind",
    "start-connect",
    "finish-connect",
    "start-listen",
    "finish-listen",
    "accept",
    "local-address",
    "remote-address",
    "is-listening",
    "address-family",
    "set-listen-backlog-size",
    "keep-alive-enabled",
    "set-keep-alive-enabled",
    "keep-alive-idle-time",
    "set-keep-alive-idle-time",
    "keep-alive-interval",
    "set-keep-alive-interval",
    "keep-alive-count",
    "set-keep-alive-count",
    "hop-limit",
    "set-hop-limit",
    "receive-buffer-size",
    "set-receive-buffer-size",
    "send-buffer-size",
    "set-send-buffer-size",
    "subscribe",
    "shutdown",
];

const UDP_SOCKET: [&str; 13] = [
    "start-bind",
    "finish-bind",
    "stream",
    "local-address",
    "remote-address",
    "address-family",
    "unicast-hop-limit",
    "set-unicast-hop-limit",
    "receive-buffer-size",
    "set-receive-buffer-size",
    "send-buffer-size",
    "set-send-buffer-size",
    "subscribe",
];

pub(super) fn network(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.empty_resource::<Network>("network")
}

/// A network may be had; nothing may be done with it.
pub(super) fn instance_network(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.func("instance-network", |_, ()| {
        Ok((Resource::<Network>::new_own(0),))
    })
}

pub(super) fn ip_name_lookup(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.empty_resource::<ResolveAddressStream>("resolve-address-stream")?;
    interface.denied("resolve-addresses", DENIED)?;
    let names = ["resolve-next-address", "subscribe"];
    interface.unreachable("resolve-address-stream", &names)
}

pub(super) fn tcp_create_socket(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.denied("create-tcp-socket", DENIED)
}

pub(super) fn udp_create_socket(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.denied("create-udp-socket", DENIED)
}

pub(super) fn tcp(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.empty_resource::<TcpSocket>("tcp-socket")?;
    interface.unreachable("tcp-socket", &TCP_SOCKET)
}

pub(super) fn udp(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.empty_resource::<UdpSocket>("udp-socket")?;
    interface.unreachable("udp-socket", &UDP_SOCKET)?;
    interface.empty_resource::<IncomingDatagramStream>("incoming-datagram-stream")?;
    interface.unreachable("incoming-datagram-stream", &["receive", "subscribe"])?;
    interface.empty_resource::<OutgoingDatagramStream>("outgoing-datagram-stream")?;
    let names = ["check-send", "send", "subscribe"];
    interface.unreachable("outgoing-datagram-stream", &names)
}
