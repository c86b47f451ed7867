#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| twocan_fuzz::workrooms::run(data));
