//! Alembic's versions of existing databases.

use tallybook_migrate::Version;

const SESSIONS: &[&str] = &["trading_sessions"];

/// All versions that created or changed the book's tables or tables next to them, oldest first.
pub const ALEMBIC: &[Version] = &[
    Version {
        id: "ac7a9a8391bc",
        revision: "0001",
        without: SESSIONS,
        others: &["agent_configs", "run_logs", "vendor_configs"],
    },
    Version {
        id: "plugin_agent_fields",
        revision: "0001",
        without: SESSIONS,
        others: &["columns of agent_configs"],
    },
    Version { id: "add_trading_session_risk", revision: "0001", without: &[], others: &["risk_metrics"] },
    Version {
        id: "add_auth_tables",
        revision: "0001",
        without: &[],
        others: &["users", "api_keys", "audit_logs"],
    },
    Version { id: "c1e38cfe113f", revision: "0001", without: &[], others: &["agent_llm_configs"] },
    Version { id: "5951c803aff7", revision: "0002", without: &[], others: &[] },
];
