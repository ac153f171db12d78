//! Brings a file to the disk little by little, so that who waits for the same disk
//! meanwhile waits for little.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use super::writer::now;

/// What the disk is given at once, in bytes: some milliseconds' work of a slow one.
const PORTION: u64 = 512 * 1024;

/// How much longer than a portion took the disk is left to others.
const REST: u32 = 2;

/// What takes less was on the disk already.
const SHORT: Duration = Duration::from_micros(100);

/// Has what was written to a file brought to the disk, portion by portion, and rests
/// after each, as long as there is time for that. It makes nothing durable: for that,
/// [`File::sync_data`] is to be called, which has the rest to do.
///
/// # Errors
/// What the kernel answers.
pub(super) fn write_back(file: &File, has_time: impl Fn() -> bool) -> io::Result<()> {
    let length = file.metadata()?.len();
    let mut from = 0;
    while from < length && has_time() {
        let begun = now();
        write_portion(file, from)?;
        let took = begun.elapsed();
        if took > SHORT {
            std::thread::sleep(took * REST);
        }
        from += PORTION;
    }
    Ok(())
}

#[allow(unsafe_code, reason = "see the argument inside")]
fn write_portion(file: &File, from: u64) -> io::Result<()> {
    let wrong = |_| io::Error::from(io::ErrorKind::FileTooLarge);
    let from = libc::off64_t::try_from(from).map_err(wrong)?;
    let bytes = libc::off64_t::try_from(PORTION).map_err(wrong)?;
    let wait = libc::SYNC_FILE_RANGE_WAIT_BEFORE | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    let flags = wait | libc::SYNC_FILE_RANGE_WRITE;
    // SAFETY: the call takes a descriptor and numbers, and no memory of ours. The
    // descriptor is open: `file` is borrowed until it returns. It changes nothing
    // that could be seen in the file.
    match unsafe { libc::sync_file_range(file.as_raw_fd(), from, bytes, flags) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::Write as _;

    use super::*;

    #[test]
    fn all_of_a_file_has_its_turn_as_long_as_there_is_time() {
        let mut file = tempfile::tempfile().unwrap();
        let portions = |file: &File, most: usize| {
            let had = Cell::new(0);
            let has_time = || had.replace(had.get() + 1) < most;
            write_back(file, has_time).unwrap();
            had.get()
        };
        assert_eq!(portions(&file, 9), 0);
        file.write_all(&vec![1; 3 * PORTION as usize + 7]).unwrap();
        assert_eq!(portions(&file, 9), 4);
        assert_eq!(portions(&file, 2), 3, "the third is not begun");
    }

    #[test]
    fn what_cannot_be_written_back_is_told() {
        let (reader, _writer) = std::io::pipe().unwrap();
        let pipe = File::from(std::os::fd::OwnedFd::from(reader));
        assert!(write_portion(&pipe, 0).is_err());
    }
}
