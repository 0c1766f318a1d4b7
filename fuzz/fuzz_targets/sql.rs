#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lsmi_etl_fuzz::check("sql", bytes));
