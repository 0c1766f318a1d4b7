//! Missing credentials of an object store. Without any in the environment, a client asks the machine's
//! metadata service, which only the machines of a cloud have: elsewhere it would wait for minutes, and its
//! error would name an address that nobody has typed.

use std::env;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey as S3Key};
use object_store::azure::{AzureConfigKey as AzureKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey as GoogleKey};

use crate::error::{Error, Result};
use crate::printable::shown;

use super::store_url::StoreUrl;

/// The address of the metadata service, the same in all clouds.
const METADATA_SERVICE: (Ipv4Addr, u16) = (Ipv4Addr::new(169, 254, 169, 254), 80);
/// Time to connect to it. It is on the machine itself, or next to it.
const CONNECT_TIME: Duration = Duration::from_secs(1);

/// A kind of stores, by what it takes for credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cloud {
    Aws,
    Google,
    Azure,
}

impl Cloud {
    /// The cloud whose metadata service a request was for that failed, by the error's text.
    pub(super) fn asked_for_credentials(error: &str) -> Option<Self> {
        [
            ("/latest/api/token", Self::Aws),
            ("/latest/meta-data/iam/", Self::Aws),
            ("/computeMetadata/", Self::Google),
            ("/metadata/identity/oauth2/", Self::Azure),
        ]
        .into_iter()
        .find_map(|(path, cloud)| error.contains(path).then_some(cloud))
    }

    /// What is missing, and how to give it.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::Aws => {
                "no credentials: the environment has none, and this machine has no role; set AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY (`aws configure export-credentials --format env` prints those of a profile), \
                 or AWS_SKIP_SIGNATURE=true for a public bucket"
            }
            Self::Google => {
                "no credentials: the environment has none, and this machine has no service account; run \
                 `gcloud auth application-default login`, set GOOGLE_APPLICATION_CREDENTIALS to a file of keys, or \
                 GOOGLE_SKIP_SIGNATURE=true for a public bucket"
            }
            Self::Azure => {
                "no credentials: the environment has none, and this machine has no managed identity; set \
                 AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_KEY, AZURE_USE_AZURE_CLI=true after `az login`, or \
                 AZURE_SKIP_SIGNATURE=true for a public container"
            }
        }
    }
}

/// Fails where a client could only ask a metadata service that is not there.
///
/// # Errors
/// [`Error::Config`].
pub(super) fn require_s3(url: &StoreUrl, client: &AmazonS3Builder) -> Result<()> {
    let settings = [
        S3Key::AccessKeyId,
        S3Key::SecretAccessKey,
        S3Key::WebIdentityTokenFile,
        S3Key::ContainerCredentialsRelativeUri,
        S3Key::ContainerCredentialsFullUri,
        S3Key::MetadataEndpoint,
    ];
    let is_set = settings.iter().any(|key| client.get_config_value(key).is_some());
    let is_public = client.get_config_value(&S3Key::SkipSignature).is_some_and(|skip| skip == "true");
    require(url, Cloud::Aws, is_set || is_public)
}

/// As [`require_s3`].
pub(super) fn require_google(url: &StoreUrl, client: &GoogleCloudStorageBuilder) -> Result<()> {
    let settings =
        [GoogleKey::ServiceAccount, GoogleKey::ServiceAccountKey, GoogleKey::ApplicationCredentials];
    let is_set = settings.iter().any(|key| client.get_config_value(key).is_some());
    let is_public = client.get_config_value(&GoogleKey::SkipSignature).is_some_and(|skip| skip == "true");
    let has_service = ["GCE_METADATA_HOST", "GCE_METADATA_ROOT", "GCE_METADATA_IP"];
    let has_service = has_service.iter().any(|name| env::var_os(name).is_some());
    let of_gcloud = env::home_dir()
        .is_some_and(|home| home.join(".config/gcloud/application_default_credentials.json").exists());
    require(url, Cloud::Google, is_set || is_public || has_service || of_gcloud)
}

/// As [`require_s3`].
pub(super) fn require_azure(url: &StoreUrl, client: &MicrosoftAzureBuilder) -> Result<()> {
    let settings = [
        AzureKey::AccessKey,
        AzureKey::SasKey,
        AzureKey::Token,
        AzureKey::ClientId,
        AzureKey::FederatedTokenFile,
        AzureKey::MsiEndpoint,
        AzureKey::FabricTokenServiceUrl,
    ];
    let flags = [AzureKey::UseAzureCli, AzureKey::UseEmulator, AzureKey::SkipSignature];
    let is_set = settings.iter().any(|key| client.get_config_value(key).is_some());
    let is_flagged = |key| client.get_config_value(key).is_some_and(|value| value == "true");
    require(url, Cloud::Azure, is_set || flags.iter().any(is_flagged))
}

fn require(url: &StoreUrl, cloud: Cloud, is_set: bool) -> Result<()> {
    let has_service =
        || TcpStream::connect_timeout(&SocketAddr::from(METADATA_SERVICE), CONNECT_TIME).is_ok();
    match is_set || has_service() {
        true => Ok(()),
        false => Err(Error::Config(format!("{}: {}", shown(Path::new(&url.bucket)), cloud.advice()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_for_credentials_is_told_from_one_for_data() {
        let of = |url: &str| {
            let text = format!("Generic S3 error: Error performing PUT {url} in 1.6ms - Server returned 403");
            Cloud::asked_for_credentials(&text)
        };
        assert_eq!(of("http://169.254.169.254/latest/api/token"), Some(Cloud::Aws));
        assert_eq!(of("http://169.254.169.254/computeMetadata/v1/instance/x?y"), Some(Cloud::Google));
        assert_eq!(of("http://169.254.169.254/metadata/identity/oauth2/token?x"), Some(Cloud::Azure));
        assert_eq!(of("https://bucket.s3.amazonaws.com/latest.parquet"), None);
    }
}
