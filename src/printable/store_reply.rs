//! A store's reply to a request that failed, as XML in the text of an error: of S3 it repeats the
//! signed request with its session token, of Azure the string that was signed. The code and the
//! message say what is wrong.

/// The text with each such reply reduced to its code and message; `None` where there is none.
pub(super) fn summary(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("<Error>") {
        let (before, reply) = rest.split_at(start);
        let is_in_front = |at: &usize| {
            let declared = before.get(*at..).and_then(|declaration| declaration.split_once("?>"));
            declared.is_some_and(|(_, between)| between.trim().is_empty())
        };
        let declaration = before.rfind("<?xml").filter(is_in_front);
        let (before, _) = before.split_at(declaration.unwrap_or(start));
        out.push_str(before.trim_end_matches('\u{feff}'));
        let (reply, after) = match reply.find("</Error>") {
            Some(end) => reply.split_at(end + "</Error>".len()),
            // Cut off; nothing behind it is known to be harmless.
            None => (reply, ""),
        };
        let parts = [element(reply, "Code"), element(reply, "Message")];
        out.push_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(": "));
        rest = after;
    }
    if out.is_empty() && rest.len() == text.len() {
        return None;
    }
    out.push_str(rest);
    Some(out)
}

/// The text of the first element of a name, on one line.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, text) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = text.split_once(&format!("</{name}>"))?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_message_stay() {
        let s3 = "403 Forbidden: <?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>SignatureDoesNotMatch</Code>\
            <Message>The signature does not\n match</Message><AWSAccessKeyId>AKIA</AWSAccessKeyId>\
            <CanonicalRequest>x-amz-security-token:SECRET</CanonicalRequest></Error> - again";
        assert_eq!(
            summary(s3).unwrap(),
            "403 Forbidden: SignatureDoesNotMatch: The signature does not match - again"
        );
        let azure =
            "403: \u{feff}<?xml version=\"1.0\"?><Error><Code>AuthenticationFailed</Code><Detail>SECRET";
        assert_eq!(summary(azure).unwrap(), "403: AuthenticationFailed");
        assert_eq!(summary("<Error></Error>").unwrap(), "");
        assert_eq!(summary("no <error> here"), None);
    }
}
