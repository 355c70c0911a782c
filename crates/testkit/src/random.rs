use std::{fmt::Write, fs::File, io::Read, path::Path};

use crate::Error;

/// Returns random bytes.
pub(crate) fn bytes<const BYTES: usize>() -> Result<[u8; BYTES], Error> {
    let source = Path::new("/dev/urandom");
    let mut bytes = [0; BYTES];
    File::open(source).and_then(|mut file| file.read_exact(&mut bytes)).map_err(Error::at(source))?;
    Ok(bytes)
}

/// Returns random bytes in hexadecimal: safe in a URL, in SQL and in a file name.
pub(crate) fn hex<const BYTES: usize>() -> Result<String, Error> {
    Ok(bytes::<BYTES>()?.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}
