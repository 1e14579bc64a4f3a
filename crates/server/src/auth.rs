//! Who may ask.

use std::fmt;

use axum::http::{HeaderMap, header};
use subtle::ConstantTimeEq as _;

use crate::error::ServeError;

/// What a client has to show: `Authorization: Bearer …`.
#[derive(Clone)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// The shortest that is taken, in characters.
    pub const MIN_LENGTH: usize = 16;

    /// The token in `text`, without the white space around it.
    ///
    /// # Errors
    ///
    /// [`ServeError::Token`] for one that is too short, or has something in it that can't be in a header.
    pub fn new(text: &str) -> Result<Self, ServeError> {
        let text = text.trim();
        let fits = text.len() >= Self::MIN_LENGTH && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text.to_owned())) } else { Err(ServeError::Token) }
    }

    /// Whether `headers` show it. Takes as long whatever is wrong, for tokens of one length.
    pub(crate) fn is_shown_in(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = shown.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| {
            // RFC 9110: the scheme's case doesn't matter.
            scheme.eq_ignore_ascii_case("bearer")
        });
        bearer.is_some_and(|(_, token)| token.trim().as_bytes().ct_eq(self.0.as_bytes()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_opens() -> Result<(), ServeError> {
        let token = Token::new(" 0123456789abcdef\n")?;
        let cases = [
            ("it", Some("Bearer 0123456789abcdef"), true),
            ("the scheme in another case", Some("bearer 0123456789abcdef"), true),
            ("nothing", None, false),
            ("another", Some("Bearer 0123456789abcdee"), false),
            ("its beginning", Some("Bearer 0123456789"), false),
            ("it and more", Some("Bearer 0123456789abcdef0"), false),
            ("an empty one", Some("Bearer "), false),
            ("another scheme", Some("Basic 0123456789abcdef"), false),
            ("no scheme", Some("0123456789abcdef"), false),
        ];
        for (name, value, opens) in cases {
            let value = value.map(|value| (header::AUTHORIZATION, value.parse().expect("a header")));
            let headers: HeaderMap = value.into_iter().collect();
            assert_eq!(token.is_shown_in(&headers), opens, "{name}");
        }
        Ok(())
    }

    #[test]
    fn a_token_is_long_and_visible() {
        for (name, text) in [("short", "0123456789abcde"), ("empty", ""), ("two lines", "0123456789\nabcdefgh")] {
            assert!(Token::new(text).is_err(), "{name}");
        }
    }
}
