//! `setpoint serve`.

use std::fs;
use std::num::NonZeroU32;
use std::sync::Arc;

use setpoint::{Handlers, InMemoryHandler};
use setpoint_runtime::Source;
use setpoint_server::{Server, Settings, Token};

use crate::cli::ServeArguments;
use crate::error::{BadInput, chain};
use crate::live::{self, terminated};
use crate::workload::Workload;

/// Where a token can be, so that it is in no list of processes.
const VARIABLE: &str = "SETPOINT_TOKEN";

pub(crate) fn run(arguments: &ServeArguments) -> Result<(), BadInput> {
    let mut settings = Settings::default();
    settings.listen = arguments.listen.unwrap_or(settings.listen);
    settings.database.clone_from(&arguments.database);
    settings.token = token(arguments)?;
    settings.interval = arguments.interval.into();
    settings.lease = arguments.lease.into();
    settings.requests_per_second =
        NonZeroU32::new(arguments.rate).ok_or_else(|| BadInput::at("--rate", "must be at least 1"))?;
    let handlers = Handlers::new().with_fallback(Arc::new(InMemoryHandler::new(
        arguments.workload.iter().map(|Workload { target, replicas }| (target.clone(), *replicas)),
    )));
    let runtime = live::runtime()?;
    let ended = runtime.block_on(async { terminated() })?;
    runtime.block_on(serve(settings, handlers, ended)).map_err(|error| BadInput::at("serve", chain(&error)))
}

async fn serve(
    settings: Settings,
    handlers: Handlers,
    ended: impl Future<Output = ()> + Send + 'static,
) -> Result<(), setpoint_server::ServeError> {
    let server = Server::start(settings, handlers, Vec::<Arc<dyn Source>>::new()).await?;
    anstream::eprintln!("listening on http://{}", server.address()?);
    server.run(ended).await
}

fn token(arguments: &ServeArguments) -> Result<Option<Token>, BadInput> {
    let (place, text) = match (&arguments.token_file, std::env::var(VARIABLE)) {
        (Some(path), _) => {
            let text = fs::read_to_string(path).map_err(|error| BadInput::file(path, "read", &error))?;
            (path.display().to_string(), text)
        }
        (None, Ok(text)) => (VARIABLE.to_owned(), text),
        (None, Err(std::env::VarError::NotPresent)) => return Ok(None),
        (None, Err(error)) => return Err(BadInput::at(VARIABLE, error)),
    };
    Token::new(&text).map(Some).map_err(|error| BadInput::at(place, error))
}
