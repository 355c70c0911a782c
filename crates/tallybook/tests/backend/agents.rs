use serde_json::{Value, json};
use tallybook_testkit::both_dialects;

use crate::program::{Program, TIME, take_later};

both_dialects! {
    async fn an_agent_comes_with_its_models(url: &str) {
        let service = Program::start(url);
        let agent = json!({
            "name": "market", "agent_type": "analyst", "llm_provider": "openai", "llm_model": "small", "temperature": 0.7,
            "is_active": true, "prompt_template": "Be brief.",
        });
        let agent = service.post("/agent_configs", agent).await;
        assert_eq!((&agent["role"], &agent["llm_type"], &agent["version"]), (&json!("analyst"), &json!("quick"), &json!("1.0.0")));
        let model = |name: &str| json!({
            "agent_id": 1, "provider": "openai", "model_name": name, "temperature": 0.2, "top_p": 0.9,
            "api_key_encrypted": "sealed", "cost_per_1k_input_tokens": "0.0005", "cost_per_1k_output_tokens": "0.0015",
            "enabled": true,
        });
        let models = [
            service.post("/agent_llm_configs", model("small")).await,
            service.post("/agent_llm_configs", model("large")).await,
        ];
        assert_eq!((&models[0]["cost_per_1k_input_tokens"], models[0].get("api_key_encrypted")), (&json!("0.0005"), None));
        let loaded = service.get("/agent_configs/1/models").await;
        assert_eq!(loaded, json!({ "agent": agent, "models": [models[1], models[0]] }));

        let quiet = service.patch("/agent_configs/1", json!({ "is_active": false, "prompt_template": null })).await;
        assert_eq!((&quiet["is_active"], &quiet["prompt_template"]), (&json!(false), &Value::Null));
        assert_eq!(service.patch("/agent_llm_configs/2", json!({ "enabled": false })).await["enabled"], false);
        assert_eq!(service.get("/agent_configs?agent_type=analyst&is_active=false").await["rows"], json!([quiet]));
        assert_eq!(service.get("/agent_configs/1").await, quiet);
        let missing = service.refused(404, "GET", "/agent_configs/7/models", Value::Null).await;
        assert_eq!(missing, json!({ "error": "there is no agent 7" }));
    }

    async fn a_run_is_recorded_at_its_beginning_and_its_end(url: &str) {
        let service = Program::start(url);
        let run = json!({ "session_id": "abc", "run_type": "backtest", "status": "RUNNING", "started_at": TIME });
        let run = service.post("/run_logs", run).await;
        assert_eq!((&run["started_at"], &run["completed_at"]), (&json!(TIME), &Value::Null));
        assert_eq!(service.get("/run_logs?status=RUNNING&session_id=abc").await["rows"], json!([run]));
        let result = json!({ "status": "DONE", "total_trades": 4, "total_pnl": "-12.5", "duration_seconds": 0.5 });
        let mut ended = service.send("POST", "/run_logs/1/end", &[], &result).await.expect(200);
        assert_eq!(service.get("/run_logs/1").await, ended);
        take_later(&mut ended, "completed_at");
        let expected = json!({
            "id": 1, "session_id": "abc", "run_type": "backtest", "status": "DONE", "symbols": null, "start_date": null,
            "end_date": null, "started_at": TIME, "duration_seconds": 0.5, "result_summary": null, "error_message": null,
            "total_trades": 4, "successful_trades": null, "total_pnl": "-12.5", "agent_config_snapshot": null,
            "metadata_json": null,
        });
        assert_eq!(ended, expected);
        let missing = service.refused(404, "POST", "/run_logs/7/end", json!({ "status": "DONE" })).await;
        assert_eq!(missing, json!({ "error": "there is no run 7" }));
    }

    async fn a_vendor_is_put_by_its_name(url: &str) {
        let service = Program::start(url);
        let vendor = |provider: &str| json!({
            "name": "prices", "vendor_type": "data", "provider": provider, "rate_limit_per_minute": 60, "is_active": true,
            "created_at": TIME, "updated_at": TIME,
        });
        let first = service.put("/vendor_configs", vendor("yahoo")).await;
        assert_eq!((&first["id"], &first["provider"], &first["updated_at"]), (&json!(1), &json!("yahoo"), &json!(TIME)));
        let mut second = service.put("/vendor_configs", vendor("polygon")).await;
        assert_eq!(service.get("/vendor_configs?vendor_type=data").await["rows"], json!([second]));
        assert_eq!(service.get("/vendor_configs/1").await, second);
        take_later(&mut second, "updated_at");
        let mut expected = first;
        expected["provider"] = json!("polygon");
        expected.as_object_mut().unwrap().remove("updated_at");
        assert_eq!(second, expected);
    }
}
