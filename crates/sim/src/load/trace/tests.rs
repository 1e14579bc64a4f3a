use std::io::{self, Read};

use super::Trace;

const HEADER: &str = "expected the header `time,rate` or `TIMESTAMP,ContextTokens,GeneratedTokens`";

#[test]
fn good_traces_are_read() {
    let azure = "\u{feff}TIMESTAMP,ContextTokens,GeneratedTokens\r\n\
        2023-11-16 18:17:03.9799600,4808,10\r\n2023-11-16 18:17:04.0319600,3180,8\r\n\
        2023-11-16 18:17:04.0000000,110,27";
    let cases = [
        ("Azure, as downloaded", azure, 3, 1),
        ("seconds", "time,rate\n0,1\n0.5,2\n", 2, 1),
        ("epoch seconds", "time,rate\n1700000000,1\n1700000060,2\n", 2, 120),
        ("RFC 3339", "time,rate\n2024-01-01T00:00:00Z,1\n2024-01-01T01:01:00+01:00,2\n", 2, 120),
        ("one row", "time,rate\n7,1", 1, 1),
        ("other columns", "zone,rate,time\n\"a,\"\"b\",1,0\nc,2,10\n", 2, 20),
        ("blanks", "\n time , rate \n\n 0 , 1 \r\n\n\"10\" , \"2\"\n\n", 2, 20),
        ("offset", "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16T18:17:03+00:00,1,1\n", 1, 1),
    ];
    for (name, text, rows, length) in cases {
        let trace = Trace::read(text.as_bytes(), "t").unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((trace.rows(), trace.length().as_secs()), (rows, length), "{name}");
    }
    assert!(Trace::read(azure.as_bytes(), "t").unwrap().has_tokens());
}

#[test]
fn every_bad_input_is_named_with_its_line() {
    let long = format!("time,rate\n0,{}\n", "1".repeat(70_000));
    let wide = format!("time,rate\n0,{}\n", "x".repeat(100));
    let wide_found = format!(
        "t:2: column \"rate\": expected a number of requests/s from 0 to 1000000, found \"{}…\"",
        "x".repeat(60)
    );
    let rate = "column \"rate\": expected a number of requests/s from 0 to 1000000, found";
    let time = "column \"time\": expected";
    let cases = [
        ("empty", "", format!("t:1: {HEADER}, found an empty file")),
        ("blank", "\n\r\n", format!("t:1: {HEADER}, found an empty file")),
        ("unknown header", "a,b\n1,2\n", format!("t:1: {HEADER}, found \"a,b\"")),
        ("no header", "0,1\n", format!("t:1: {HEADER}, found \"0,1\"")),
        ("missing column", "time,load\n0,1\n", "t:1: column \"rate\": expected once in the header, found 0 times".into()),
        ("missing token column", "TIMESTAMP,ContextTokens\n", "t:1: column \"GeneratedTokens\": expected once in the header, found 0 times".into()),
        ("column twice", "time,rate,rate\n0,1,1\n", "t:1: column \"rate\": expected once in the header, found 2 times".into()),
        ("no rows", "time,rate\n", "t:1: expected a row after the header, found the end of the file".into()),
        ("no token rows", "TIMESTAMP,ContextTokens,GeneratedTokens\n\n", "t:2: expected a row after the header, found the end of the file".into()),
        ("text", "time,rate\n0,abc\n", format!("t:2: {rate} \"abc\"")),
        ("after a blank line and CR LF", "time,rate\r\n\r\n0,1\r\n1,abc\r\n", format!("t:4: {rate} \"abc\"")),
        ("NaN", "time,rate\n0,NaN\n", format!("t:2: {rate} \"NaN\"")),
        ("infinite", "time,rate\n0,inf\n", format!("t:2: {rate} \"inf\"")),
        ("overflow", "time,rate\n0,1e999\n", format!("t:2: {rate} \"1e999\"")),
        ("negative", "time,rate\n0,-1\n", format!("t:2: {rate} \"-1\"")),
        ("too high", "time,rate\n0,1000001\n", format!("t:2: {rate} \"1000001\"")),
        ("no value", "time,rate\n0,\n", format!("t:2: {rate} \"\"")),
        ("long value", &wide, wide_found),
        ("bad time", "time,rate\nnoon,1\n", format!("t:2: {time} seconds or an RFC 3339 time, found \"noon\"")),
        ("NaN time", "time,rate\nnan,1\n", format!("t:2: {time} seconds or an RFC 3339 time, found \"nan\"")),
        ("huge time", "time,rate\n1e300,1\n", format!("t:2: {time} seconds or an RFC 3339 time, found \"1e300\"")),
        ("out of order", "time,rate\n5,1\n4,1\n", format!("t:3: {time} a time after the row before, found \"4\"")),
        ("same time", "time,rate\n5,1\n5,1\n", format!("t:3: {time} a time after the row before, found \"5\"")),
        ("too far", "time,rate\n0,1\n34560000,1\n", format!("t:3: {time} a time less than 400 days from the other rows, found \"34560000\"")),
        ("too few fields", "time,rate\n0\n", "t:2: expected 2 fields, found 1".into()),
        ("too many fields", "time,rate\n0,1,2\n", "t:2: expected 2 fields, found 3".into()),
        ("open quote", "time,rate\n0,\"1\n", "t:2: expected fields in closed quotes, found an open one".into()),
        ("long line", &long, "t:2: expected at most 65536 bytes, found more".into()),
        ("bad timestamp", "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-13-16 18:17:03,1,1\n",
            "t:2: column \"TIMESTAMP\": expected a time such as 2023-11-16 18:17:03.9799600, found \"2023-13-16 18:17:03\"".into()),
        ("negative tokens", "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03,1,1\n2023-11-16 18:17:03,-1,1\n",
            "t:3: column \"ContextTokens\": expected a whole number of tokens from 0 to 4294967295, found \"-1\"".into()),
        ("half a token", "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03,1,1.5\n",
            "t:2: column \"GeneratedTokens\": expected a whole number of tokens from 0 to 4294967295, found \"1.5\"".into()),
        ("years apart", "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03,1,1\n2021-11-16 18:17:03,1,1\n",
            "t:3: column \"TIMESTAMP\": expected a time less than 400 days from the other rows, found \"2021-11-16 18:17:03\"".into()),
    ];
    for (name, text, want) in cases {
        let error = Trace::read(text.as_bytes(), "t").expect_err(name);
        assert_eq!(error.to_string(), want, "{name}");
    }
    let error = Trace::read(&b"time,rate\n0,\xff\n"[..], "t").expect_err("bytes");
    assert_eq!(error.to_string(), "t:2: expected UTF-8, found other bytes");
}

#[test]
fn a_failing_input_is_named() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("gone"))
        }
    }
    let error = Trace::read("time,rate\n0,1\n".as_bytes().chain(Failing), "t").expect_err("gone");
    assert_eq!(error.to_string(), "t:3: cannot be read");
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, rows in "(time,rate\n)?([0-9.,\"\n-]{0,40})") {
        let _ = Trace::read(&bytes[..], "t");
        let _ = Trace::read(rows.as_bytes(), "t");
    }
}
