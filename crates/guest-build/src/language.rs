//! The languages, and how a folder tells its own.

use std::fmt;
use std::path::Path;

use crate::error::BuildError;

/// A language in which plugins are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// Rust, with `setpoint-guest`.
    Rust,
    /// Python, with componentize-py.
    Python,
    /// JavaScript, with componentize-js.
    JavaScript,
    /// Go, with its own toolchain.
    Go,
    /// C, with clang and wasi-libc.
    C,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Rust, Self::Python, Self::JavaScript, Self::Go, Self::C];

    /// Its name in options, folders and JSON.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::JavaScript => "js",
            Self::Go => "go",
            Self::C => "c",
        }
    }

    /// The files of which each shows that a project is in this language.
    const fn signs(self) -> &'static [&'static str] {
        match self {
            Self::Rust => &["Cargo.toml"],
            Self::Python => &["requirements.txt", "algorithm.py"],
            Self::JavaScript => &["package.json"],
            Self::Go => &["go.mod"],
            Self::C => &["plugin.c"],
        }
    }

    pub(crate) fn all_signs() -> String {
        let signs = Self::ALL.map(|language| format!("{} ({language})", language.signs()[0]));
        signs.join(", ")
    }

    /// The language of the project in `folder`.
    ///
    /// # Errors
    ///
    /// [`BuildError`] when there is none, and when there are several.
    pub fn of(folder: &Path) -> Result<Self, BuildError> {
        if let Err(source) = folder.read_dir() {
            return Err(BuildError::File { path: folder.to_owned(), action: "read", source });
        }
        let found = Self::ALL.into_iter().filter_map(|language| {
            let sign = language.signs().iter().find(|sign| folder.join(sign).is_file())?;
            Some((language, *sign))
        });
        match found.collect::<Vec<_>>()[..] {
            [(language, _)] => Ok(language),
            [] => Err(BuildError::NoProject { folder: folder.to_owned() }),
            ref several => Err(BuildError::SeveralProjects {
                folder: folder.to_owned(),
                signs: several.iter().map(|(_, sign)| *sign).collect(),
            }),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::JavaScript => "JavaScript",
            Self::Go => "Go",
            Self::C => "C",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_s_files_say_its_language() {
        let rows = [
            (&["Cargo.toml", "README.md"][..], Some(Language::Rust)),
            (&["requirements.txt", "algorithm.py"], Some(Language::Python)),
            (&["algorithm.py"], Some(Language::Python)),
            (&["requirements.txt"], Some(Language::Python)),
            (&["package.json", "algorithm.js"], Some(Language::JavaScript)),
            (&["go.mod"], Some(Language::Go)),
            (&["plugin.c", "Makefile"], Some(Language::C)),
            (&["README.md"], None),
            (&["go.mod", "plugin.c"], None),
        ];
        for (files, want) in rows {
            let folder = tempfile::TempDir::new().expect("a folder");
            for file in files {
                std::fs::write(folder.path().join(file), "").expect("a file");
            }
            assert_eq!(Language::of(folder.path()).ok(), want, "{files:?}");
        }
    }

    #[test]
    fn none_and_two_are_told_apart() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let wrong = |folder: &Path| Language::of(folder).expect_err("no project").to_string();
        assert!(wrong(folder.path()).contains("a project has one of Cargo.toml (Rust), requirements.txt (Python)"));
        for file in ["go.mod", "package.json"] {
            std::fs::write(folder.path().join(file), "").expect("a file");
        }
        assert!(wrong(folder.path()).contains("here are package.json and go.mod: leave one"));
        assert!(wrong(&folder.path().join("absent")).contains("absent: can't be read: "));
    }
}
