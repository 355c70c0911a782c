//! The table `vendor_configs`: where prices and news come from.

use chrono::{DateTime, Utc};
use serde::Serialize;
use tallybook::now;
use tallybook::tables::{ColumnSet, Id, Table};

use super::api::Named;
use super::listing::{Listed, listed};

#[derive(Clone, Debug, PartialEq, Serialize, Table)]
#[table(name = "vendor_configs", noun = "vendor", new = NewVendorConfig, changes = VendorConfigChanges, serde)]
pub(crate) struct VendorConfig {
    pub(crate) id: Id<VendorConfig>,
    #[table(max = 255)]
    pub(crate) name: String,
    #[table(max = 50)]
    pub(crate) vendor_type: String,
    #[table(max = 100)]
    pub(crate) provider: String,
    #[table(max = 500)]
    pub(crate) api_endpoint: Option<String>,
    /// Where the key is kept; not the key itself.
    #[table(max = 255)]
    pub(crate) api_key_ref: Option<String>,
    pub(crate) config_json: Option<String>,
    pub(crate) rate_limit_per_minute: Option<i32>,
    pub(crate) rate_limit_per_day: Option<i32>,
    pub(crate) is_active: bool,
    #[table(fixed, default = "now")]
    pub(crate) created_at: DateTime<Utc>,
    #[table(touch, default = "now")]
    pub(crate) updated_at: DateTime<Utc>,
    #[table(max = 1000)]
    pub(crate) description: Option<String>,
    pub(crate) metadata_json: Option<String>,
}

listed!(VendorConfig {
    vendor_type: String => "vendor_type = $1",
    is_active: bool => "is_active = $1",
});

impl Named for VendorConfig {
    fn unique() -> impl ColumnSet<Self> + Send {
        Self::COLUMN.name
    }
}
