//! A schema that is still to come, for tests alone: a further field of residents, a further set, a further container of
//! a record; the containers are made by genesis change 1.

use gridwork_domain::fields::Kind;
use gridwork_domain::schema::{Container, Field, MergeClass, SCHEMA_1, Schema, Shape};

const fn named(name: &'static str, term: &'static str, kind: Kind, class: MergeClass) -> Field {
    Field { name, term, kind, class, ..SCHEMA_1.containers[0].fields[0] }
}

const RESIDENT_FIELDS: [Field; 13] = {
    let old = SCHEMA_1.containers[2].fields;
    assert!(old.len() == 12);
    let mut fields = [named("former_name", "曾用名", Kind::Line(64), MergeClass::Register); 13];
    let mut position = 0;
    while position < old.len() {
        fields[position] = old[position];
        position += 1;
    }
    fields
};

/// Schema 1 and what a later release may add to it.
pub(crate) const SCHEMA_2: Schema = Schema {
    version: 2,
    containers: &[
        SCHEMA_1.containers[0],
        SCHEMA_1.containers[1],
        Container { fields: &RESIDENT_FIELDS, ..SCHEMA_1.containers[2] },
        SCHEMA_1.containers[3],
        SCHEMA_1.containers[4],
        Container {
            name: "interests",
            shape: Shape::Set,
            genesis: 1,
            fields: &[named("level", "程度", Kind::Choice(&["curious", "skilled"]), MergeClass::Set)],
        },
        Container {
            name: "property_contract",
            shape: Shape::Record,
            genesis: 1,
            fields: &[named("company", "物业公司", Kind::Line(64), MergeClass::Register)],
        },
    ],
};
