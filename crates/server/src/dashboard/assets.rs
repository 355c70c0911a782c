//! The files of the page, embedded into the program. Debug builds read them from disk, so that the page can be edited
//! without compiling.

use std::borrow::Cow;

use rust_embed::{EmbeddedFile, RustEmbed};
use sha2::{Digest, Sha256};

use crate::hexadecimal::hexadecimal;

/// Stands in pages for the path of the assets, which has the hash of their content.
const PATH: &str = "{{assets}}";
/// Bytes of the hash that stand in the path.
const HASH_BYTES: usize = 8;

#[derive(RustEmbed)]
#[folder = "src/dashboard/assets/"]
struct Assets;

/// A file with its media type.
pub(super) struct Asset {
    pub(super) bytes: Cow<'static, [u8]>,
    pub(super) media_type: &'static str,
}

/// Returns the hash of the content of all files.
pub(super) fn hash() -> String {
    #[cfg(not(debug_assertions))]
    {
        static HASH: std::sync::LazyLock<String> = std::sync::LazyLock::new(computed_hash);
        HASH.clone()
    }
    #[cfg(debug_assertions)]
    computed_hash()
}

fn computed_hash() -> String {
    let mut names: Vec<_> = Assets::iter().collect();
    names.sort_unstable();
    let mut hash = Sha256::new();
    for name in names {
        let file: Option<EmbeddedFile> = Assets::get(&name);
        hash.update((name.len() as u64).to_be_bytes());
        hash.update(name.as_bytes());
        hash.update(file.map(|file| file.metadata.sha256_hash()).unwrap_or_default());
    }
    hexadecimal(&hash.finalize()[..HASH_BYTES])
}

/// Returns a file by its name, which is its path below the folder of assets.
pub(super) fn asset(name: &str) -> Option<Asset> {
    let file = Assets::get(name)?;
    Some(Asset { bytes: file.data, media_type: media_type(name) })
}

/// Returns a page, with the path of the assets in place. `fields` are further texts to put in, which are ours and hold no markup.
pub(super) fn page(name: &str, fields: &[(&str, &str)]) -> Option<String> {
    let file = Assets::get(name)?;
    let text = String::from_utf8_lossy(&file.data).replace(PATH, &format!("assets/{}", hash()));
    Some(fields.iter().fold(text, |text, (field, value)| text.replace(field, value)))
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "json" => "application/json",
        _ => "text/plain; charset=utf-8",
    }
}
