//! What can follow what was typed so far, as kubectl asks it of its plugins: under the name `kubectl_complete-setpoint`.

use std::fmt::Write as _;

use clap::{Arg, Command};
use setpoint_kube::{connect_in, policy_names};

use crate::cli::cluster::kubectl_plugin;
use crate::error::BadInput;
use crate::live;
use crate::output;

/// How the shell goes on, in the numbers of kubectl's own completions.
const WITH_FILES: u8 = 0;
const WITHOUT_FILES: u8 = 4;

/// Prints one possibility a line for the last of `words`, and how the shell goes on.
pub(crate) fn run(words: &[String]) -> Result<(), BadInput> {
    let (last, before) = words.split_last().map_or(("", words), |(last, before)| (last, before));
    let plugin = kubectl_plugin();
    let Some((command, before)) = before.split_first() else {
        let told = |command: &Command| (command.get_name().to_owned(), command.get_about().map(ToString::to_string));
        return print(last, plugin.get_subcommands().map(told), WITHOUT_FILES);
    };
    let Some(command) = plugin.find_subcommand(command) else { return print(last, [], WITHOUT_FILES) };
    if last.starts_with('-') {
        let told = |flag: &Arg| Some((format!("--{}", flag.get_long()?), flag.get_help().map(ToString::to_string)));
        return print(last, command.get_arguments().filter_map(told), WITHOUT_FILES);
    }
    if before.last().is_some_and(|flag| takes_value(command, flag)) {
        return print(last, [], WITH_FILES);
    }
    let value = |of: &[&str]| {
        let place = before.iter().position(|word| of.contains(&word.as_str()))?;
        before.get(place + 1).map(String::as_str)
    };
    let names = live::runtime()?.block_on(async {
        let client = connect_in(value(&["--kubeconfig"]).map(AsRef::as_ref), value(&["--context"])).await;
        let client = client.map_err(|error| error.to_string())?;
        policy_names(&client, value(&["-n", "--namespace"])).await.map_err(|error| error.to_string())
    });
    // In the midst of a line there is no place for a complaint: the command itself will have it.
    let names = names.unwrap_or_else(|error| {
        tracing::debug!("policies can't be listed: {error}");
        Vec::new()
    });
    print(last, names.into_iter().map(|name| (name, None)), WITHOUT_FILES)
}

/// Whether the word after `flag` belongs to it.
fn takes_value(command: &Command, flag: &str) -> bool {
    let is_meant = |arg: &&Arg| {
        let short = flag.strip_prefix('-').is_some_and(|name| name.chars().eq(arg.get_short()));
        short || flag.strip_prefix("--").is_some_and(|name| arg.get_long() == Some(name))
    };
    command.get_arguments().find(is_meant).is_some_and(|arg| arg.get_action().takes_values())
}

fn print(
    last: &str,
    possible: impl IntoIterator<Item = (String, Option<String>)>,
    directive: u8,
) -> Result<(), BadInput> {
    let mut out = String::new();
    for (word, about) in possible.into_iter().filter(|(word, _)| word.starts_with(last)) {
        let about = about.and_then(|about| about.lines().next().map(|line| format!("\t{line}"))).unwrap_or_default();
        let _ = writeln!(out, "{word}{about}");
    }
    let _ = writeln!(out, ":{directive}");
    output::print(&out)
}
