//! Which shapes of state are kept.

use super::*;
use crate::testing::schema;

fn columns(own: &[(&str, DataType)]) -> SchemaRef {
    state_columns(own.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), false)))
}

fn of(columns: SchemaRef, key: &[usize], expires: Option<usize>) -> Result<OperatorSchema, SchemaError> {
    OperatorSchema::new(OperatorId(1), columns, key.to_vec(), expires)
}

#[test]
fn the_leading_columns_are_hash_and_op() {
    let without = Arc::new(Schema::new(vec![Field::new("key", DataType::Int64, false)]));
    assert!(matches!(of(without, &[0], None), Err(SchemaError::Leading(_))));
    let nullable = Arc::new(Schema::new(vec![Field::new("key_hash", DataType::UInt64, true), Field::new("op", DataType::Int8, false)]));
    assert!(matches!(of(nullable, &[0], None), Err(SchemaError::Leading(_))));
}

#[test]
fn keys_and_expiries_are_columns_that_can_be_ones() {
    let columns = columns(&[("end", DataType::Int64), ("name", DataType::Utf8)]);
    assert!(of(columns.clone(), &[2, 3], Some(2)).is_ok());
    for (key, expires) in [(&[] as &[usize], None), (&[0], None), (&[4], None), (&[3], Some(2)), (&[2, 3], Some(3))] {
        assert!(matches!(of(columns.clone(), key, expires), Err(SchemaError::Columns(_))), "{key:?} {expires:?}");
    }
}

#[test]
fn nested_columns_are_refused_by_name() {
    let list = DataType::List(Arc::new(Field::new("item", DataType::Int64, true)));
    let error = of(columns(&[("end", DataType::Int64), ("all", list)]), &[2], None).unwrap_err();
    assert!(error.to_string().contains("column all of type List"), "{error}");
}

#[test]
fn the_fingerprint_is_of_types_and_keys_and_never_changes() {
    let fingerprint = |names: [&str; 2], key: &[usize]| {
        of(columns(&[(names[0], DataType::Int64), (names[1], DataType::Utf8)]), key, None).unwrap().fingerprint()
    };
    assert_eq!(fingerprint(["a", "b"], &[2]), fingerprint(["c", "d"], &[2]));
    assert_ne!(fingerprint(["a", "b"], &[2]), fingerprint(["a", "b"], &[2, 3]));
    // State that was written is recognised by this number, whatever version reads it.
    assert_eq!(schema().fingerprint(), FINGERPRINT);
}

const FINGERPRINT: u64 = 9_239_266_416_206_535_839;
