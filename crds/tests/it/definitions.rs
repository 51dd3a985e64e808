//! The definitions: complete, small, and structural. That the files are fresh is held by the workspace's `tests/tidy.rs`.

use serde_json::{Value, json};
use streamwright_crds::{
    Cluster, Condition, Kind, Pipeline, RetentionPolicy, Topic,
    conditions::{ConditionType, Reason, reasons},
    definition,
};

#[test]
fn definitions_stay_small_enough_for_plain_apply() {
    for kind in Kind::ALL {
        let bytes = definition::file(*kind).1.len();
        assert!(bytes < definition::BYTES_MAX, "{kind}: {bytes} bytes");
    }
}

#[test]
fn newborn_objects_say_that_nobody_has_seen_them() {
    for kind in Kind::ALL {
        let schema = definition::schema(*kind);
        let status = schema.pointer("/properties/status").unwrap();
        assert_eq!(status["default"]["observedGeneration"], json!(-1), "{kind}");
        assert_eq!(status["default"]["conditions"][0]["reason"], json!("NotReconciled"), "{kind}");
        let conditions: Vec<Condition> = serde_json::from_value(status["default"]["conditions"].clone()).unwrap();
        assert!(conditions[0].is(ConditionType::Ready));
    }
}

#[test]
fn conditions_are_a_list_map_by_type() {
    for kind in Kind::ALL {
        let schema = definition::schema(*kind);
        let conditions = schema.pointer("/properties/status/properties/conditions").unwrap();
        assert_eq!(conditions["x-kubernetes-list-type"], "map", "{kind}");
        assert_eq!(conditions["x-kubernetes-list-map-keys"], json!(["type"]), "{kind}");
    }
}

/// Calls `visit` with every schema in a schema, and its path.
fn walk(schema: &Value, path: &str, visit: &mut dyn FnMut(&Value, &str)) {
    visit(schema, path);
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        walk(property, &format!("{path}.{name}"), visit);
    }
    for (key, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(inner) = schema.get(key) {
            walk(inner, &format!("{path}{mark}"), visit);
        }
    }
}

#[test]
fn every_field_is_explained_and_bounded() {
    let mut problems = Vec::new();
    for kind in Kind::ALL {
        walk(&definition::schema(*kind), kind.as_str(), &mut |schema, path| {
            let mut need = |what: &str, is_there: bool| {
                if !is_there {
                    problems.push(format!("{path}: {what}"));
                }
            };
            let has = |key: &str| schema.get(key).is_some();
            let is_inner = path.ends_with(['}', ']']);
            need("a description", is_inner || has("description"));
            need("no nullable", !has("nullable"));
            match schema["type"].as_str() {
                Some("string") => need("maxLength or enum", has("maxLength") || has("enum") || has("format")),
                Some("array") => need("maxItems and items", has("maxItems") && has("items")),
                Some("object") => need("properties or a bounded map", path == kind.as_str() || has("properties") || has("maxProperties")),
                Some("integer") => need("a signed format", matches!(schema["format"].as_str(), Some("int32" | "int64"))),
                Some("boolean") => {}
                _ => need("a type", has("x-kubernetes-int-or-string")),
            }
        });
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn names_columns_and_subresources_are_those_of_the_contract() {
    // `*` marks a column of `-o wide`.
    for (kind, short, columns, scale) in [
        (Kind::Cluster, "swc", "Ready,Reason,Brokers,Bootstrap,Bucket,At risk*,Message*,Age", true),
        (Kind::Topic, "swt", "Ready,Reason,Cluster,Partitions,Retention,Local*,Object*,Message*,Age", false),
        (Kind::RetentionPolicy, "swr", "Ready,Cleanup,Total,Local,Topics,Reason,Message*,Age", false),
        (Kind::Pipeline, "swp", "Ready,Reason,Replicas,Lag,Checkpoint,Watermark*,Message*,Age", true),
    ] {
        let definition = definition::definition(kind);
        let version = &definition["spec"]["versions"][0];
        assert_eq!(definition["spec"]["names"]["shortNames"], json!([short]));
        assert_eq!(definition["spec"]["names"]["categories"], json!(["streamwright"]));
        assert_eq!(definition["spec"]["scope"], "Namespaced");
        assert_eq!((&version["name"], &version["served"], &version["storage"]), (&json!("v1alpha1"), &json!(true), &json!(true)));
        let shown = |column: &Value| {
            let wide = if column["priority"].as_i64().unwrap_or(0) > 0 { "*" } else { "" };
            format!("{}{wide}", column["name"].as_str().unwrap())
        };
        let names: Vec<_> = version["additionalPrinterColumns"].as_array().unwrap().iter().map(shown).collect();
        assert_eq!(names.join(","), columns, "{kind}");
        assert_eq!(version["subresources"]["status"], json!({}));
        let paths = json!({
            "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas", "labelSelectorPath": ".status.selector"
        });
        assert_eq!(version["subresources"].get("scale"), scale.then_some(&paths), "{kind}");
    }
}

#[test]
fn every_column_shows_a_field_that_there_is() {
    for kind in Kind::ALL {
        let mut fields = std::collections::BTreeSet::new();
        walk(&definition::schema(*kind), "", &mut |_, path| fields.extend([path.to_owned()]));
        let definition = definition::definition(*kind);
        for column in definition["spec"]["versions"][0]["additionalPrinterColumns"].as_array().unwrap() {
            let path = column["jsonPath"].as_str().unwrap();
            let condition = path.strip_prefix(r#".status.conditions[?(@.type=="Ready")]"#);
            let field = condition.map_or_else(|| path.to_owned(), |field| format!(".status.conditions[]{field}"));
            assert!(fields.contains(&field) || path == ".metadata.creationTimestamp", "{kind}: {path}");
        }
    }
}

#[test]
fn admitted_objects_become_their_types() {
    let admit = |kind, spec| streamwright_crds::admission::admit(kind, crate::object(kind, "x", spec), None).unwrap();
    let cluster: Cluster = serde_json::from_value(admit(Kind::Cluster, "{}")).unwrap();
    assert_eq!((cluster.spec.replicas, cluster.spec.auto_create_topics, cluster.status.unwrap().observed_generation), (1, false, Some(-1)));
    let topic: Topic = serde_json::from_value(admit(Kind::Topic, "{partitions: 6}")).unwrap();
    assert_eq!((topic.spec.cluster_ref.name.as_str(), topic.spec.partitions), ("default", Some(6)));
    let policy: RetentionPolicy = serde_json::from_value(admit(Kind::RetentionPolicy, "{total: {time: 720h}}")).unwrap();
    assert_eq!(policy.spec.total.unwrap().time.unwrap().millis(), Ok(2_592_000_000));
    let pipeline: Pipeline =
        serde_json::from_value(admit(Kind::Pipeline, "{query: x, pod: {resources: {requests: {cpu: 2, memory: 2Gi}}}}")).unwrap();
    assert_eq!((pipeline.spec.max_parallelism, pipeline.spec.commit_interval.millis()), (64, Ok(200)));
    assert_eq!(pipeline.spec.pod.unwrap().resources.unwrap().requests["cpu"].0, "2");
}

#[test]
fn ready_can_say_why_in_every_kind() {
    for kind in Kind::ALL {
        assert!(reasons(*kind, ConditionType::Ready).contains(&Reason::NotReconciled), "{kind}");
    }
}
