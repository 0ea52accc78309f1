#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| strongroom_fuzz::auditchain::proof_file(data));
