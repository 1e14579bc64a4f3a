//! Where a program is.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

/// The file that `program` names, found as a shell finds it: by its path where it has one, relative to `folder`, else in
/// the folders of `path`.
///
/// It is looked for before anything starts, so that what isn't there is told apart from what ran and failed.
pub(crate) fn find(program: &OsStr, path: Option<OsString>, folder: Option<&Path>) -> io::Result<PathBuf> {
    if program.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no program is named"));
    }
    if program.as_bytes().contains(&0) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "its name holds a zero byte"));
    }
    if program.as_bytes().contains(&b'/') {
        let file = folder.unwrap_or(Path::new("")).join(program);
        return runs(&file).map(|()| file);
    }
    let mut first = None;
    for file in path.iter().flat_map(std::env::split_paths).map(|folder| folder.join(program)) {
        match runs(&file) {
            Ok(()) => return Ok(file),
            // One that is there and can't be run says more than that there is no other.
            Err(error) if error.kind() != io::ErrorKind::NotFound => first = first.or(Some(error)),
            Err(_) => {}
        }
    }
    Err(first.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no folder of PATH has it")))
}

fn runs(file: &Path) -> io::Result<()> {
    if std::fs::metadata(file)?.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    Ok(rustix::fs::access(file, Access::EXEC_OK)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_as_a_shell_finds_it() {
        let path = || Some(OsString::from("/nowhere:/bin:/usr/bin"));
        assert!(find("sh".as_ref(), path(), None).expect("there is a shell").ends_with("sh"));
        assert_eq!(find("./sh".as_ref(), None, Some("/bin".as_ref())).expect("it is there"), Path::new("/bin/./sh"));
        let cases = [
            ("unknown", "no-such-program-here", io::ErrorKind::NotFound),
            ("no such file", "/nowhere/at/all", io::ErrorKind::NotFound),
            ("a folder", "/bin", io::ErrorKind::IsADirectory),
            ("no name", "", io::ErrorKind::InvalidInput),
            ("a zero byte", "a\0b", io::ErrorKind::InvalidInput),
        ];
        for (name, program, want) in cases {
            assert_eq!(find(program.as_ref(), path(), None).expect_err(name).kind(), want, "{name}");
        }
        assert_eq!(find("sh".as_ref(), None, None).expect_err("no PATH").kind(), io::ErrorKind::NotFound);
    }
}
