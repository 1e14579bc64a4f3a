//! Standard output and files, written whole or not at all.

use std::io::{self, ErrorKind, Write};
use std::path::Path;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::error::BadInput;

pub(crate) const RED: Style = AnsiColor::Red.on_default().bold();
pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const DIM: Style = Style::new().dimmed();

/// Writes `text` to standard output, without its colours where they aren't wanted.
pub(crate) fn print(text: &str) -> Result<(), BadInput> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| closed(&error))
}

/// Writes bytes as they are to standard output.
pub(crate) fn print_raw(bytes: &[u8]) -> Result<(), BadInput> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| closed(&error))
}

/// Writes `value` as one line of JSON.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), BadInput> {
    let mut json = serde_json::to_vec(value).expect("what is printed is plain data");
    json.push(b'\n');
    print_raw(&json)
}

fn closed(error: &io::Error) -> BadInput {
    match error.kind() {
        ErrorKind::BrokenPipe => BadInput::OutputClosed,
        _ => BadInput::at("standard output", format_args!("can't be written: {error}")),
    }
}

/// Replaces `path` with `contents` at once: a reader sees the old file or the new one, whole.
pub(crate) fn replace(path: &Path, contents: &[u8]) -> Result<(), BadInput> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let written = || -> io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::Builder::new().prefix(".setpoint-").tempfile_in(folder)?;
        file.write_all(contents)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            // A temporary file is private; this one is to be read by whoever may read its folder.
            file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        }
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    written().map_err(|error| BadInput::file(path, "written", &error))
}
