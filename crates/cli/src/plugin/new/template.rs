//! The files of a new project.
//!
//! What a project has in common with the guest of its language in `guest-plugins/` is that guest's own file; what is the
//! template's is in `templates/`.

use setpoint_guest_build::Language;

/// A project to be.
pub(super) struct Template {
    /// How its own tests are run, without WebAssembly.
    pub(super) test: &'static str,
    files: Vec<File>,
}

struct File {
    path: &'static str,
    text: &'static str,
    /// What stands in the text for the plugin's name.
    name: &'static str,
}

/// A file of `templates/`, under the name that it has there or another.
macro_rules! own {
    ($language:literal, $path:literal) => {
        own!($language, $path, $path)
    };
    ($language:literal, $path:literal, $from:literal) => {
        File { path: $path, text: include_str!(concat!("../../../templates/", $language, "/", $from)), name: NAME }
    };
}

/// A file of the guest in a language.
macro_rules! guest {
    ($language:literal, $path:literal) => {
        File {
            path: $path,
            text: include_str!(concat!("../../../../../guest-plugins/", $language, "/capped-smooth-ratio/", $path)),
            name: concat!("capped-smooth-ratio-", $language),
        }
    };
}

impl Template {
    pub(super) fn of(language: Language) -> Self {
        match language {
            Language::Rust => Self {
                test: "cargo test",
                files: vec![
                    own!("rust", "Cargo.toml", "manifest.toml"),
                    own!("rust", "src/lib.rs", "lib.rs"),
                    own!("rust", "README.md"),
                    own!("rust", ".gitignore", "gitignore"),
                ],
            },
            Language::Python => Self {
                test: "python3 -m unittest",
                files: vec![
                    own!("python", "scaling.py"),
                    own!("python", "config.py"),
                    own!("python", "test_scaling.py"),
                    own!("python", "README.md"),
                    guest!("python", "algorithm.py"),
                    guest!("python", "fields.py"),
                    guest!("python", "requirements.txt"),
                    guest!("python", ".gitignore"),
                    guest!("python", "wit/plugin.wit"),
                    CONTRACT,
                ],
            },
            Language::JavaScript => Self {
                test: "node --test",
                files: vec![
                    own!("js", "algorithm.js"),
                    own!("js", "config.js"),
                    own!("js", "algorithm.test.js"),
                    own!("js", "README.md"),
                    guest!("js", "plugin.js"),
                    guest!("js", "fields.js"),
                    guest!("js", "package.json"),
                    guest!("js", "package-lock.json"),
                    guest!("js", ".gitignore"),
                    guest!("js", "wit/plugin.wit"),
                    CONTRACT,
                ],
            },
            Language::Go => Self {
                test: "go test ./...",
                files: vec![
                    own!("go", "algorithm.go"),
                    own!("go", "config.go"),
                    own!("go", "algorithm_test.go"),
                    own!("go", "main.go"),
                    own!("go", "README.md"),
                    guest!("go", "go.mod"),
                    guest!("go", "scaling/scaling.go"),
                    guest!("go", "scaling/config.go"),
                    guest!("go", "scaling/component.go"),
                    guest!("go", "scaling/memory.go"),
                    guest!("go", "scaling/native.go"),
                    guest!("go", ".gitignore"),
                    guest!("go", "wit/plugin.wit"),
                    CONTRACT,
                ],
            },
            Language::C => Self {
                test: "make test",
                files: vec![
                    own!("c", "algorithm.c"),
                    own!("c", "algorithm.h"),
                    own!("c", "config.c"),
                    own!("c", "config.h"),
                    own!("c", "tests/test.c", "test.c"),
                    own!("c", "Makefile"),
                    own!("c", "README.md"),
                    own!("c", ".gitignore", "gitignore"),
                    guest!("c", "plugin.c"),
                    guest!("c", "fields.c"),
                    guest!("c", "fields.h"),
                    guest!("c", "no-files.c"),
                    guest!("c", "wit/plugin.wit"),
                    CONTRACT,
                ],
            },
        }
    }

    pub(super) fn paths(&self) -> Vec<&'static str> {
        self.files.iter().map(|file| file.path).collect()
    }

    /// Each file's path and text, for the plugin `name` that has Setpoint's crate from `sdk`.
    pub(super) fn files(&self, name: &str, sdk: &str) -> Vec<(&'static str, String)> {
        let text = |file: &File| file.text.replace(file.name, name).replace("{{sdk}}", sdk);
        self.files.iter().map(|file| (file.path, text(file))).collect()
    }
}

/// In the template's own files.
const NAME: &str = "{{name}}";

const CONTRACT: File =
    File { path: "wit/deps/scaling/scaling.wit", text: include_str!("../../../../../wit/0.2/scaling.wit"), name: NAME };

/// Whether a good name means something else to a language's tools.
pub(super) fn is_reserved(name: &str, language: Language) -> bool {
    let reserved = match language {
        Language::Rust => RUST,
        Language::Go => GO,
        Language::Python | Language::JavaScript | Language::C => "",
    };
    reserved.split_ascii_whitespace().any(|word| word == name)
}

/// What `cargo new` refuses or warns of, and the crates that a project takes.
const RUST: &str = "
    abstract alloc as async await become box break const continue core crate do dyn else enum extern false final fn for
    gen if impl in let loop macro match mod move mut override priv proc-macro pub ref return self setpoint
    setpoint-guest static std struct super test trait true try type typeof unsafe unsized use virtual where while yield";

/// Packages of the standard library, and what is taken for no module.
const GO: &str = "
    bufio bytes cmd cmp context crypto embed encoding errors expvar flag fmt hash html image io iter log maps math mime
    net os path plugin reflect regexp runtime slices sort std strconv strings structs sync syscall testing time unicode
    unique unsafe vendor weak";
