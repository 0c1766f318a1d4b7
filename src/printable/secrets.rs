//! Text without the secrets that URLs and settings of object stores carry: user and password,
//! signatures and tokens of a query, keys of an account. Errors of HTTP clients quote the URL of the
//! request, and so does whoever prints a path that may be a URL.

use std::borrow::Cow;

use super::store_reply;

/// What stands for a secret.
const REDACTED: &str = "***";

/// Parameters that are secret in the URL of any scheme. Keys of `s3://` may hold `?`, so that not all
/// that looks like a query is one.
const PARAMETERS: [&str; 28] = [
    "sig",
    "signature",
    "x-amz-signature",
    "x-amz-credential",
    "x-amz-security-token",
    "x-goog-signature",
    "x-goog-credential",
    "x-goog-security-token",
    "googleaccessid",
    "awsaccesskeyid",
    "token",
    "access_token",
    "refresh_token",
    "id_token",
    "sas",
    "sas_token",
    "sastoken",
    "apikey",
    "api_key",
    "api-key",
    "key",
    "password",
    "passwd",
    "pwd",
    "pass",
    "secret",
    "client_secret",
    "auth",
];

/// Settings that are secret wherever they stand, up to the end of a connection string's part.
const SETTINGS: [&str; 8] = [
    "x-amz-signature=",
    "x-amz-credential=",
    "x-amz-security-token=",
    "x-goog-signature=",
    "x-goog-credential=",
    "accountkey=",
    "sharedaccesskey=",
    "sharedaccesssignature=",
];

/// Replaces the secrets of all URLs in a text, and of settings that hold secrets. Of a store's reply
/// in XML, which repeats what was signed, the code and the message stay.
pub fn redact(text: &str) -> Cow<'_, str> {
    let text = match store_reply::summary(text) {
        Some(shorter) => Cow::Owned(shorter),
        None => Cow::Borrowed(text),
    };
    let text = match text.contains("://") {
        true => Cow::Owned(redact_urls(&text)),
        false => text,
    };
    let text = match text.contains("\", ") && text.contains('@') {
        true => redact_connections(text),
        false => text,
    };
    match text.contains('=') {
        true => redact_settings(text),
        false => text,
    }
}

/// As [`redact`], of a text that is one path or URL: a URL ends where the text does, so that blanks
/// and quotes are part of it.
pub(super) fn redact_path(path: &str) -> Cow<'_, str> {
    match scheme_length(path) {
        Some(scheme) => redact_settings(Cow::Owned(redact_url(path, scheme))),
        None => redact(path),
    }
}

/// The length of the scheme that a text begins with, such as `https`, where `://` follows.
fn scheme_length(text: &str) -> Option<usize> {
    let scheme = text.find("://")?;
    text.get(..scheme).filter(|name| !name.is_empty() && name.chars().all(is_in_scheme)).map(str::len)
}

fn is_in_scheme(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')
}

fn redact_urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(colon) = rest.find("://") {
        let (before, _) = rest.split_at(colon);
        let start = before.rfind(|c| !is_in_scheme(c)).map_or(0, |at| {
            at + before.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
        });
        let (head, url) = rest.split_at(start);
        let (url, after) = url.split_at(url_length(url, colon - start));
        out.push_str(head);
        out.push_str(&redact_url(url, colon - start));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The same for a connection, which an HTTP client logs as ("http", USER:PASSWORD@HOST).
fn redact_connections(text: Cow<'_, str>) -> Cow<'_, str> {
    let mut text = text;
    for start in ["(\"http\", ", "(\"https\", ", "(\\\"http\\\", ", "(\\\"https\\\", "] {
        let mut from = 0;
        while let Some(found) = text.get(from..).and_then(|rest| rest.find(start)) {
            from += found + start.len();
            let host = text.get(from..).unwrap_or_default();
            let host = host.get(..host.find(')').unwrap_or(host.len())).unwrap_or_default();
            if let Some(at) = host.rfind('@') {
                text.to_mut().replace_range(from..from + at, REDACTED);
            }
        }
    }
    text
}

/// The length of the URL that a text begins with: blanks and quotes end it. A quote in a password,
/// which should have been escaped, does not.
fn url_length(text: &str, scheme: usize) -> usize {
    let is_end = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>' | '\\');
    let host = scheme + "://".len();
    let after = text.get(host..).unwrap_or_default();
    let authority = after.find(|c: char| is_end(c) || c == '/').unwrap_or(after.len());
    let user = after.get(..authority).and_then(|part| part.rfind('@')).map_or(0, |at| at + 1);
    let rest = after.get(user..).unwrap_or_default();
    host + user + rest.find(|c: char| is_end(c) || matches!(c, '\'' | '`')).unwrap_or(rest.len())
}

/// A URL without user, password and, of all schemes but those of stores, the values of its query.
fn redact_url(url: &str, scheme: usize) -> String {
    let (name, rest) = url.split_at(scheme);
    let rest = rest.strip_prefix("://").unwrap_or(rest);
    let (user, rest) = split_user(name, rest);
    let mut out = format!("{name}://");
    if user.is_some() {
        out.push_str(REDACTED);
        out.push('@');
    }
    if is_of_a_store(name) {
        out.push_str(rest);
        return out;
    }
    let (before, fragment) =
        rest.split_once('#').map_or((rest, None), |(before, after)| (before, Some(after)));
    let (path, query) = before.split_once('?').map_or((before, None), |(path, query)| (path, Some(query)));
    out.push_str(path);
    if let Some(query) = query {
        out.push('?');
        let parameters = query.split('&').map(|parameter| match parameter.split_once('=') {
            Some((name, _)) => format!("{name}={REDACTED}"),
            None if parameter.is_empty() => String::new(),
            None => REDACTED.to_owned(),
        });
        out.push_str(&parameters.collect::<Vec<_>>().join("&"));
    }
    if fragment.is_some() {
        out.push('#');
        out.push_str(REDACTED);
    }
    out
}

/// Schemes whose URLs hold a key, in which `?` and `#` mean nothing.
fn is_of_a_store(scheme: &str) -> bool {
    const STORES: [&str; 9] = ["s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss", "file"];
    STORES.iter().any(|store| scheme.eq_ignore_ascii_case(store))
}

/// The user and password in front of a host, and what follows them.
fn split_user<'a>(scheme: &str, rest: &'a str) -> (Option<&'a str>, &'a str) {
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let within = |end: usize| rest.get(..end).and_then(|part| part.rfind('@'));
    let at = match rest.get(..authority).unwrap_or(rest) {
        // Of Azure's own URLs the container stands there, CONTAINER@ACCOUNT.
        host if scheme.to_ascii_lowercase().starts_with("abfs") && !host.contains(':') => None,
        host if host.contains('@') => within(authority),
        // No host: a password with a slash in it, which should have been escaped.
        host if !host.starts_with('[')
            && host.split_once(':').is_some_and(|(_, port)| !port.bytes().all(|b| b.is_ascii_digit())) =>
        {
            within(rest.len())
        }
        _ => None,
    };
    match at.and_then(|at| Some((rest.get(..at)?, rest.get(at + 1..)?))) {
        Some((user, after)) => (Some(user), after),
        None => (None, rest),
    }
}

/// Replaces the values of secret parameters after `?` and `&`, and of secret settings anywhere.
fn redact_settings(text: Cow<'_, str>) -> Cow<'_, str> {
    let lower = text.to_ascii_lowercase();
    let mut values: Vec<(usize, usize)> = Vec::new();
    for (equals, _) in lower.match_indices('=') {
        let (before, _) = lower.split_at(equals + 1);
        let parameter = before.rfind(['?', '&', ';']).and_then(|at| before.get(at + 1..equals));
        let is_first = before.get(..equals) == Some("sig");
        let is_secret = is_first
            || parameter.is_some_and(|name| PARAMETERS.contains(&name))
            || SETTINGS.iter().any(|setting| before.ends_with(setting));
        let is_end = |c: char| {
            c.is_whitespace() || c.is_control() || matches!(c, '&' | ';' | '"' | '\'' | '<' | '>' | '\\')
        };
        let value = lower.get(equals + 1..).unwrap_or_default();
        let end = equals + 1 + value.find(is_end).unwrap_or(value.len());
        if is_secret && values.last().is_none_or(|(_, last)| *last <= equals) {
            values.push((equals + 1, end));
        }
    }
    if values.is_empty() {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (start, end) in values {
        out.push_str(text.get(done..start).unwrap_or_default());
        out.push_str(REDACTED);
        done = end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_in_a_text_lose_their_secrets() {
        for (text, expected) in [
            ("GET http://me:PASS@host:90/a.parquet in 2s", "GET http://***@host:90/a.parquet in 2s"),
            ("https://TOKEN@host/a", "https://***@host/a"),
            ("(https://h/a?sv=1&sig=PASS&x)", "(https://h/a?sv=***&sig=***&***"),
            ("'https://h/a?PASS' failed", "'https://h/a?***' failed"),
            ("https://h/a#access_token=PASS", "https://h/a#***"),
            ("HTTPS://a:b@c@host/@x", "HTTPS://***@host/@x"),
            ("s3://me:PASS@bucket/key", "s3://***@bucket/key"),
            ("s3://me:PA/SS@bucket/key", "s3://***@bucket/key"),
            (
                "s3://b/k?X-Amz-Credential=PASS&X-Amz-Signature=PASS",
                "s3://b/k?X-Amz-Credential=***&X-Amz-Signature=***",
            ),
            ("az://c/k?sv=1&sig=PASS%3D", "az://c/k?sv=1&sig=***"),
            ("abfss://me:PASS@account/k", "abfss://***@account/k"),
            (
                "DefaultEndpointsProtocol=https;AccountKey=PASS==;x",
                "DefaultEndpointsProtocol=https;AccountKey=***;x",
            ),
            ("sig=PASS", "sig=***"),
            (
                r#"to ("http", me:PASS@host:1) and ("https", host)"#,
                r#"to ("http", ***@host:1) and ("https", host)"#,
            ),
            (r#"{"message":"(\"http\", me:PASS@host)"}"#, r#"{"message":"(\"http\", ***@host)"}"#),
            ("'http://me:PA'SS@host/a' failed", "'http://***@host/a' failed"),
            ("'http://host/a' and 'b@c'", "'http://host/a' and 'b@c'"),
            ("two: http://a:PASS@b http://c:PASS@d/?e=PASS", "two: http://***@b http://***@d/?e=***"),
            (r#"{"message":"http://u:PASS@h/x failed"}"#, r#"{"message":"http://***@h/x failed"}"#),
        ] {
            assert_eq!(redact(text), expected);
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "in/a@b.parquet",
            "s3://data/a:b@c~d|e^f`g",
            "s3://data/part-?.parquet",
            "s3://data/a?b=c#d.parquet",
            "abfss://data@account.dfs.core.windows.net/a",
            "https://host:8443/a%20b/c.parquet",
            "http://[::1]:80/a@b",
            "label=3/key=4/part.parquet, SELECT a = b",
            "no url :// here",
            "日本://x",
        ] {
            assert_eq!(redact(text), text);
            assert_eq!(redact_path(text), text);
        }
    }

    #[test]
    fn of_a_whole_url_blanks_are_a_part() {
        assert_eq!(redact_path("https://me:PA SS@host/a b?t=PA SS"), "https://***@host/a b?t=***");
        assert_eq!(redact_path("s3://me:PA'SS@bucket/a b"), "s3://***@bucket/a b");
    }
}
