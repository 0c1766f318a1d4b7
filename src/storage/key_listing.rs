//! A listing of keys exactly as their store holds them. The `object_store` crate reads the keys of
//! a response as paths: it strips blanks and slashes from their ends, and one key that is no path
//! fails the whole listing. So the keys are encoded before the crate reads them, and decoded after.

use std::sync::Arc;

use async_trait::async_trait;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::{ClientOptions, ObjectMeta};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The objects whose keys begin with a prefix, all or some of at least as many as the limit: their
/// keys, and their metadata with encoded paths. The store's client is one of a [`KeyEncoder`].
pub(super) async fn list_keys(
    store: Arc<dyn PaginatedListStore>,
    prefix: &str,
    limit: Option<usize>,
) -> object_store::Result<Vec<(String, ObjectMeta)>> {
    let prefix = (!prefix.is_empty()).then_some(prefix);
    let (mut found, mut page_token) = (Vec::new(), None);
    loop {
        let options = PaginatedListOptions { page_token, max_keys: limit, ..PaginatedListOptions::default() };
        let page = store.list_paginated(prefix, options).await?;
        found
            .extend(page.result.objects.into_iter().map(|object| (decode(object.location.as_ref()), object)));
        page_token = page.page_token.filter(|token| !token.is_empty());
        if page_token.is_none() || limit.is_some_and(|limit| found.len() >= limit) {
            return Ok(found);
        }
    }
}

/// A maker of HTTP clients that encode the keys in listings.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyEncoder {
    /// The XML element that holds a key.
    element: &'static str,
}

impl KeyEncoder {
    /// For S3's listings, and Google's.
    pub(super) const S3: Self = Self { element: "Key" };
    /// For Azure's listings.
    pub(super) const AZURE: Self = Self { element: "Name" };

    fn encode_keys(self, listing: &str) -> String {
        let (start, end) = (format!("<{}", self.element), format!("</{}>", self.element));
        let mut encoded = String::with_capacity(listing.len());
        let mut rest = listing;
        while let Some((before, tag)) = rest.split_once(&start) {
            encoded.push_str(before);
            encoded.push_str(&start);
            let parts = tag.split_once('>').and_then(|(attributes, text)| {
                let is_element = attributes.is_empty() || attributes.starts_with(char::is_whitespace);
                let (text, after) = text.split_once(&end).filter(|_| is_element)?;
                Some((attributes, text, after))
            });
            rest = tag;
            if let Some((attributes, text, after)) = parts {
                // Azure's for keys with characters that XML does not have.
                let key = match attributes.contains("Encoded=\"true\"") {
                    true => decode(&unescape(text)),
                    false => unescape(text),
                };
                encoded.push('>');
                encoded.push_str(&encode(&key));
                encoded.push_str(&end);
                rest = after;
            }
        }
        encoded.push_str(rest);
        encoded
    }
}

impl HttpConnector for KeyEncoder {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(EncodingClient { client, encoder: *self }))
    }
}

#[derive(Debug)]
struct EncodingClient {
    client: HttpClient,
    encoder: KeyEncoder,
}

#[async_trait]
impl HttpService for EncodingClient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let is_listing = |query: &str| query.contains("list-type=2") || query.contains("comp=list");
        let is_listing = request.uri().query().is_some_and(is_listing);
        let response = self.client.execute(request).await?;
        if !is_listing || !response.status().is_success() {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        let body = body.bytes().await?;
        let body = match std::str::from_utf8(&body) {
            Ok(listing) => self.encoder.encode_keys(listing).into(),
            // The crate says what is wrong with it.
            Err(_) => body.into(),
        };
        Ok(HttpResponse::from_parts(parts, body))
    }
}

/// A key as one segment of a path, of characters that nobody trims or escapes.
fn encode(key: &str) -> String {
    utf8_percent_encode(key, NON_ALPHANUMERIC).to_string()
}

fn decode(encoded: &str) -> String {
    percent_decode_str(encoded).decode_utf8_lossy().into_owned()
}

/// The text of an XML element.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, entity)) = rest.split_once('&') {
        plain.push_str(before);
        let known = entity.split_once(';').and_then(|(name, after)| Some((character(name)?, after)));
        rest = match known {
            Some((sign, after)) => {
                plain.push(sign);
                after
            }
            None => {
                plain.push('&');
                entity
            }
        };
    }
    plain.push_str(rest);
    plain
}

/// The character of an XML entity or character reference.
fn character(name: &str) -> Option<char> {
    let code = match name {
        "amp" => return Some('&'),
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        _ => name.strip_prefix('#')?,
    };
    match code.strip_prefix(['x', 'X']) {
        Some(hex) => char::from_u32(u32::from_str_radix(hex, 16).ok()?),
        None => char::from_u32(code.parse().ok()?),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The keys of a listing after the way through the encoder.
    fn keys(encoder: KeyEncoder, listing: &str) -> Vec<String> {
        let (start, end) = (format!("<{}>", encoder.element), format!("</{}>", encoder.element));
        let encoded = encoder.encode_keys(listing);
        encoded.split(&start).skip(1).map(|rest| decode(rest.split_once(&end).unwrap().0)).collect()
    }

    #[test]
    fn keys_of_listings_are_exact() {
        let s3 = "<ListBucketResult><Name>data</Name><KeyCount>4</KeyCount><Contents><Key> a&amp;b&#x1;\
            &lt;c&gt; </Key><Size>1</Size></Contents><Contents><Key>/in//../%41.parquet/</Key></Contents>\
            <Contents><Key></Key></Contents><Contents><Key>&#13;&apos;&quot;&unknown;日</Key></Contents>\
            <NextKeyMarker>x</NextKeyMarker></ListBucketResult>";
        let expected = [" a&b\u{1}<c> ", "/in//../%41.parquet/", "", "\r'\"&unknown;日"];
        assert_eq!(keys(KeyEncoder::S3, s3), expected);
        let encoded = KeyEncoder::S3.encode_keys(s3);
        assert!(
            encoded.starts_with("<ListBucketResult><Name>data</Name><KeyCount>4</KeyCount>"),
            "{encoded}"
        );
        assert!(encoded.ends_with("<NextKeyMarker>x</NextKeyMarker></ListBucketResult>"), "{encoded}");

        let azure = "<Blob><Name>a b </Name></Blob><Blob><Name Encoded=\"true\">a%20b%EF%BF%BE</Name></Blob>";
        assert_eq!(keys(KeyEncoder::AZURE, azure), ["a b ", "a b\u{fffe}"]);
        assert_eq!(KeyEncoder::S3.encode_keys("<Key>broken"), "<Key>broken");
    }

    proptest! {
        #[test]
        fn different_keys_have_different_codes(key: String, other: String) {
            prop_assert_eq!(decode(&encode(&key)), &key[..]);
            prop_assert_eq!(encode(&key) == encode(&other), key == other);
            prop_assert!(encode(&key).bytes().all(|b| b == b'%' || b.is_ascii_alphanumeric()));
        }
    }
}
