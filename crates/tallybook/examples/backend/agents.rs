//! The tables `agent_configs` and `agent_llm_configs`.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use tallybook::now;
use tallybook::tables::{Aggregate, Id, Table};

use super::listing::{Listed, listed};

#[derive(Clone, Debug, PartialEq, Serialize, Table)]
#[table(name = "agent_configs", noun = "agent", new = NewAgentConfig, changes = AgentConfigChanges, serde)]
pub(crate) struct AgentConfig {
    pub(crate) id: Id<AgentConfig>,
    #[table(max = 255)]
    pub(crate) name: String,
    #[table(max = 50)]
    pub(crate) agent_type: String,
    #[table(max = 50)]
    pub(crate) llm_provider: String,
    #[table(max = 100)]
    pub(crate) llm_model: String,
    pub(crate) temperature: f64,
    pub(crate) max_tokens: Option<i32>,
    pub(crate) config_json: Option<String>,
    pub(crate) is_active: bool,
    #[table(fixed, default = "now")]
    pub(crate) created_at: DateTime<Utc>,
    #[table(touch, default = "now")]
    pub(crate) updated_at: DateTime<Utc>,
    #[table(max = 1000)]
    pub(crate) description: Option<String>,
    pub(crate) metadata_json: Option<String>,
    #[table(max = 50, default = "analyst")]
    pub(crate) role: String,
    #[table(max = 20, default = "quick")]
    pub(crate) llm_type: String,
    pub(crate) prompt_template: Option<String>,
    pub(crate) capabilities_json: Option<String>,
    pub(crate) required_tools_json: Option<String>,
    #[table(default)]
    pub(crate) requires_memory: bool,
    #[table(max = 100)]
    pub(crate) memory_name: Option<String>,
    #[table(default)]
    pub(crate) is_reserved: bool,
    #[table(max = 50)]
    pub(crate) slot_name: Option<String>,
    #[table(max = 20, default = "first_version")]
    pub(crate) version: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Table)]
#[table(name = "agent_llm_configs", noun = "model", new = NewAgentLlmConfig, changes = AgentLlmConfigChanges, serde)]
pub(crate) struct AgentLlmConfig {
    pub(crate) id: Id<AgentLlmConfig>,
    #[table(fixed)]
    pub(crate) agent_id: Id<AgentConfig>,
    #[table(max = 50)]
    pub(crate) provider: String,
    #[table(max = 100)]
    pub(crate) model_name: String,
    pub(crate) temperature: f64,
    pub(crate) max_tokens: Option<i32>,
    pub(crate) top_p: Option<f64>,
    #[table(max = 500)]
    #[serde(skip_serializing)]
    pub(crate) api_key_encrypted: Option<String>,
    #[table(max = 50)]
    pub(crate) fallback_provider: Option<String>,
    #[table(max = 100)]
    pub(crate) fallback_model: Option<String>,
    pub(crate) cost_per_1k_input_tokens: Decimal,
    pub(crate) cost_per_1k_output_tokens: Decimal,
    pub(crate) enabled: bool,
    #[table(fixed, default = "now")]
    pub(crate) created_at: DateTime<Utc>,
    #[table(touch, default = "now")]
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) metadata_json: Option<String>,
}

fn analyst() -> String {
    "analyst".to_owned()
}

fn quick() -> String {
    "quick".to_owned()
}

fn first_version() -> String {
    "1.0.0".to_owned()
}

listed!(AgentConfig {
    agent_type: String => "agent_type = $1",
    role: String => "role = $1",
    is_active: bool => "is_active = $1",
});

/// An agent with the models that it may use.
#[derive(Clone, Debug, PartialEq, Serialize, Aggregate)]
pub(crate) struct AgentWithModels {
    #[root]
    pub(crate) agent: AgentConfig,
    #[many]
    pub(crate) models: Vec<AgentLlmConfig>,
}
