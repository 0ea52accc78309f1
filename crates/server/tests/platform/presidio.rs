//! Presidio's two routes: its shapes, and what is not taken is refused by name.

use serde_json::{Value, json};

use crate::platform::{Answer, Running, Tenant, last_event, on_platform};

async fn post(running: &Running, tenant: &Tenant, path: &str, body: Value) -> Answer {
    let token = Some(tenant.token.as_str());
    running.send("POST", path, token, Some(body)).await
}

async fn analyze(running: &Running, tenant: &Tenant, body: Value) -> Answer {
    post(running, tenant, "/v1/pii/analyze", body).await
}

/// Entity, start and end of each.
fn spans(found: &Value) -> Vec<(String, u64, u64)> {
    let span = |found: &Value| {
        let entity = found["entity_type"].as_str().unwrap().to_owned();
        let place = |name: &str| found[name].as_u64().unwrap();
        (entity, place("start"), place("end"))
    };
    found.as_array().unwrap().iter().map(span).collect()
}

#[test]
fn what_is_found_is_said_in_presidios_shape() {
    on_platform(|running| async move {
        let tenant = running.tenant("presidio").await;
        // Offsets are code points, whatever a character takes.
        let text = "😀é john.planted@example.com, card 4111111111111111";
        let asked = json!({
            "text": text, "language": "en", "correlation_id": "abc", "entities": [],
        });
        let answer = analyze(running, &tenant, asked).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let found = answer.json();
        let email = ("EMAIL_ADDRESS".to_owned(), 3, 27);
        let card = ("CREDIT_CARD".to_owned(), 34, 50);
        assert_eq!(spans(&found), [email.clone(), card.clone()]);
        assert!(found[0]["score"].as_f64().unwrap() > 0.9);
        assert_eq!(found[0]["analysis_explanation"], Value::Null);
        let metadata = &found[0]["recognition_metadata"];
        assert_eq!(metadata["recognizer_identifier"], "contact.email");
        assert!(!answer.text.contains("planted"), "{}", answer.text);
        let entries = running.entries(&tenant.token).await;
        let event = last_event(&entries, "pii.analyze").to_string();
        assert!(!event.contains("planted"), "{event}");

        let some = json!({
            "text": [text, "nobody"], "entities": ["CREDIT_CARD", "gov.ssn.us"],
            "return_decision_process": true,
        });
        let found = analyze(running, &tenant, some).await.json();
        assert_eq!(spans(&found[0]), std::slice::from_ref(&card));
        let why = &found[0][0]["analysis_explanation"];
        assert_eq!(why["validation_result"], true);
        assert!(
            why["textual_explanation"]
                .as_str()
                .unwrap()
                .contains("checksum")
        );
        assert_eq!(found[1], json!([]));

        let allowed = json!({ "text": text, "allow_list": ["john.planted@example.com"] });
        let found = analyze(running, &tenant, allowed).await.json();
        assert_eq!(spans(&found), [card]);
        // A number that nothing says is one is found by those who ask for everything alone.
        let weak =
            |least: f64| json!({ "text": "it is 020 7946 0958 1", "score_threshold": least });
        let all = analyze(running, &tenant, weak(0.0)).await.json();
        let sure = analyze(running, &tenant, weak(0.99)).await.json();
        assert!(spans(&all).len() > spans(&sure).len());
    });
}

#[test]
fn a_tenants_own_classes_are_found() {
    on_platform(|running| async move {
        let tenant = running.tenant("presidio-own").await;
        let source = "version = 1\n[[classes]]\nid = \"custom.badge\"\npattern = \"BDG-[0-9]{6}\"\nconfidence = 0.9\n";
        let put = running
            .send(
                "PUT",
                "/v1/policy",
                Some(&tenant.token),
                Some(json!({ "source": source })),
            )
            .await;
        assert_eq!(put.status, 200, "{}", put.text);
        let asked = json!({ "text": "badge BDG-123456" });
        let found = analyze(running, &tenant, asked).await.json();
        assert_eq!(spans(&found).len(), 1, "{found}");
        let entity = found[0]["entity_type"].as_str().unwrap();
        let asked = json!({ "text": "badge BDG-123456 a@example.com", "entities": [entity] });
        let found = analyze(running, &tenant, asked).await.json();
        assert_eq!(spans(&found), [(entity.to_owned(), 6, 16)]);
    });
}

#[test]
fn what_was_found_is_taken_out() {
    on_platform(|running| async move {
        let tenant = running.tenant("anonymize").await;
        let text = "é john.planted@example.com, card 4111111111111111";
        let found = analyze(running, &tenant, json!({ "text": text }))
            .await
            .json();
        // As Presidio's clients do: what one route answers goes to the other as it is.
        let asked = json!({
            "text": text,
            "analyzer_results": found,
            "anonymizers": {
                "DEFAULT": { "type": "replace", "new_value": "<PII>" },
                "CREDIT_CARD": { "type": "mask", "masking_char": "*", "chars_to_mask": 12, "from_end": false },
            },
        });
        let answer = post(running, &tenant, "/v1/pii/anonymize", asked).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let done = answer.json();
        assert_eq!(done["text"], "é <PII>, card ************1111");
        assert_eq!(done["items"][1]["start"], 2);
        assert_eq!(done["items"][1]["operator"], "replace");
        let entries = running.entries(&tenant.token).await;
        last_event(&entries, "pii.anonymize");
    });
}

#[test]
fn what_is_not_taken_is_refused_by_its_name() {
    on_platform(|running| async move {
        let tenant = running.tenant("presidio-bad").await;
        for (body, param) in [
            (json!({ "text": "a", "entities": ["NOBODY"] }), "entities"),
            (
                json!({ "text": "a", "score_threshold": 1.5 }),
                "score_threshold",
            ),
            (
                json!({ "text": "a", "ad_hoc_recognizers": [] }),
                "ad_hoc_recognizers",
            ),
            (json!({ "text": "a", "context": ["b"] }), "context"),
            (
                json!({ "text": "a", "allow_list_match": "regex" }),
                "allow_list_match",
            ),
        ] {
            let answer = analyze(running, &tenant, body).await;
            assert_eq!(answer.status, 400, "{}", answer.text);
            assert!(answer.text.contains(param), "{param}: {}", answer.text);
        }
        let hash = json!({
            "text": "planted-value", "anonymizers": { "DEFAULT": { "type": "hash" } },
            "analyzer_results": [{ "entity_type": "PERSON", "start": 0, "end": 7, "score": 1.0 }],
        });
        let answer = post(running, &tenant, "/v1/pii/anonymize", hash).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
        assert!(!answer.text.contains("planted"), "{}", answer.text);
        let nobody = running
            .send(
                "POST",
                "/v1/pii/analyze",
                None,
                Some(json!({ "text": "a" })),
            )
            .await;
        assert_eq!(nobody.status, 401);
    });
}
