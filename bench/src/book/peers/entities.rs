//! The tables as sea-orm knows them.

#![allow(unreachable_pub, missing_docs, reason = "the macro wants its items public")]

pub(super) mod portfolio {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "portfolios")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        pub description: Option<String>,
        pub initial_capital: f64,
        pub current_capital: f64,
        pub currency: String,
        pub created_at: DateTime,
        pub updated_at: DateTime,
        pub metadata_json: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(has_many = "super::position::Entity")]
        Position,
    }

    impl Related<super::position::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Position.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod position {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "positions")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub portfolio_id: i32,
        pub symbol: String,
        pub quantity: f64,
        pub average_cost: f64,
        pub current_price: f64,
        pub unrealized_pnl: f64,
        pub realized_pnl: f64,
        pub position_type: String,
        pub entry_date: Option<DateTime>,
        pub created_at: DateTime,
        pub updated_at: DateTime,
        pub metadata_json: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(
            belongs_to = "super::portfolio::Entity",
            from = "Column::PortfolioId",
            to = "super::portfolio::Column::Id"
        )]
        Portfolio,
    }

    impl Related<super::portfolio::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Portfolio.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod trade {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "trades")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub portfolio_id: i32,
        pub session_id: Option<i32>,
        pub symbol: String,
        pub action: String,
        pub quantity: f64,
        pub order_type: String,
        pub limit_price: Option<f64>,
        pub stop_price: Option<f64>,
        pub status: String,
        pub filled_quantity: f64,
        pub average_fill_price: Option<f64>,
        pub created_at: DateTime,
        pub updated_at: DateTime,
        pub filled_at: Option<DateTime>,
        pub decision_rationale: Option<String>,
        pub confidence_score: Option<f64>,
        pub metadata_json: Option<String>,
        pub realized_pnl: Option<f64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(has_many = "super::execution::Entity")]
        Execution,
    }

    impl Related<super::execution::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Execution.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod execution {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "executions")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub trade_id: i32,
        pub symbol: String,
        pub quantity: f64,
        pub price: f64,
        pub execution_type: String,
        pub commission: f64,
        pub fees: f64,
        pub exchange: Option<String>,
        pub execution_id: Option<String>,
        pub executed_at: DateTime,
        pub metadata_json: Option<String>,
        pub realized_pnl: Option<f64>,
        pub reverses_id: Option<i32>,
        pub mark: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(
            belongs_to = "super::trade::Entity",
            from = "Column::TradeId",
            to = "super::trade::Column::Id"
        )]
        Trade,
    }

    impl Related<super::trade::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Trade.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod session {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "trading_sessions")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub portfolio_id: i32,
        pub session_type: String,
        pub status: String,
        pub name: Option<String>,
        pub description: Option<String>,
        pub max_position_size: Option<f64>,
        pub max_portfolio_exposure: Option<f64>,
        pub stop_loss_percentage: Option<f64>,
        pub take_profit_percentage: Option<f64>,
        pub starting_capital: f64,
        pub current_capital: f64,
        pub total_pnl: f64,
        pub total_trades: i32,
        pub winning_trades: i32,
        pub losing_trades: i32,
        pub started_at: DateTime,
        pub stopped_at: Option<DateTime>,
        pub metadata_json: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
