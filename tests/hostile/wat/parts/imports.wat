(import "ringfence:rule/host@0.1.0" "log" (func $log (param i32 i32 i32)))
(import "ringfence:rule/host@0.1.0" "recall" (func $recall (param i32 i32 i32)))
(import "ringfence:rule/host@0.1.0" "now" (func $now (result i64)))
(import "ringfence:rule/host@0.1.0" "random" (func $random (result i32)))
