//! The tables as the queries see them; `migrations/` makes them and says what each is for.

diesel::table! {
    identity (id) {
        id -> Integer,
        server -> Text,
        secret_key -> Binary,
        device -> Nullable<Binary>,
        token -> Nullable<Text>,
        staff -> Nullable<Binary>,
        staff_name -> Nullable<Text>,
        sealing_key -> Nullable<Binary>,
    }
}

diesel::table! {
    grid (scope) {
        scope -> Binary,
        name -> Text,
        code -> Text,
    }
}

diesel::table! {
    reference (id) {
        id -> Integer,
        version -> Text,
        checked_at -> BigInt,
        content -> Text,
    }
}

diesel::table! {
    scope (id) {
        id -> Binary,
        cursor -> Nullable<Binary>,
        refetching -> Bool,
        refetched_at -> Nullable<BigInt>,
        comparing -> Bool,
    }
}

diesel::table! {
    document (id, epoch) {
        id -> Binary,
        epoch -> BigInt,
        home -> Binary,
        heads -> Binary,
        content -> Binary,
        damage -> Nullable<Text>,
        damaged_again -> Bool,
    }
}

diesel::table! {
    outbox (edit) {
        edit -> Binary,
        number -> BigInt,
        content -> Text,
        home -> Binary,
        document -> Binary,
        epoch -> BigInt,
        change -> Binary,
        state -> Integer,
        code -> Nullable<Text>,
        detail -> Nullable<Text>,
        asked_at -> Nullable<BigInt>,
        replays -> Integer,
    }
}

diesel::table! {
    actor (id) {
        id -> Binary,
    }
}

diesel::table! {
    author (actor) {
        actor -> Binary,
        staff -> Nullable<Binary>,
        name -> Nullable<Text>,
    }
}

diesel::table! {
    standing (id) {
        id -> Integer,
        actor -> Nullable<Binary>,
        skew_ms -> Nullable<BigInt>,
        last_contact -> Nullable<BigInt>,
    }
}

diesel::table! {
    came (document, epoch) {
        document -> Binary,
        epoch -> BigInt,
        heads -> Binary,
    }
}

diesel::table! {
    lost (number) {
        number -> BigInt,
        document -> Binary,
        epoch -> BigInt,
        change -> Binary,
        state -> Integer,
        code -> Nullable<Text>,
        detail -> Nullable<Text>,
        asked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    receipt (number) {
        number -> BigInt,
        at -> BigInt,
        code -> Binary,
        changes -> Binary,
        authors -> Binary,
    }
}
