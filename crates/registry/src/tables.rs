//! The tables as the queries see them; `migrations/` makes them and says what each is for.
//!
//! **Invariant:** only column types that every database has: binary, text, 64-bit and 32-bit integers, booleans.

diesel::table! {
    instance (id) {
        id -> Binary,
        made_at -> BigInt,
        areas_version -> BigInt,
    }
}

diesel::table! {
    area (id) {
        id -> Binary,
        parent -> Nullable<Binary>,
        code -> Text,
        name -> Text,
        aliases -> Text,
        valid_from -> Text,
        valid_until -> Nullable<Text>,
        successor -> Nullable<Binary>,
    }
}

diesel::table! {
    area_naming (area, valid_from) {
        area -> Binary,
        valid_from -> Text,
        valid_until -> Nullable<Text>,
        code -> Text,
        name -> Text,
        aliases -> Text,
    }
}

diesel::table! {
    staff (id) {
        id -> Binary,
        name -> Text,
        sign_in -> Text,
        password_hash -> Nullable<Text>,
        failures -> Integer,
        locked_until -> Nullable<BigInt>,
        server_actor -> Nullable<Binary>,
    }
}

diesel::table! {
    assignment (staff, role, area, valid_from) {
        staff -> Binary,
        role -> Text,
        area -> Binary,
        valid_from -> BigInt,
        valid_until -> Nullable<BigInt>,
    }
}

diesel::table! {
    device (id) {
        id -> Binary,
        staff -> Binary,
        public_key -> Binary,
        token_hash -> Binary,
        enrolled_at -> BigInt,
        last_contact -> Nullable<BigInt>,
        contact_before -> Nullable<BigInt>,
        skew_ms -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
        app -> Nullable<Text>,
        unsent -> Nullable<BigInt>,
        unsent_since -> Nullable<BigInt>,
    }
}

diesel::table! {
    enrolment (code_hash) {
        code_hash -> Binary,
        staff -> Binary,
        issued_by -> Nullable<Binary>,
        issued_at -> BigInt,
        expires_at -> BigInt,
        device -> Nullable<Binary>,
    }
}

diesel::table! {
    nonce (device, bytes) {
        device -> Binary,
        bytes -> Binary,
        created_s -> BigInt,
    }
}

diesel::table! {
    session (id) {
        id -> Binary,
        staff -> Binary,
        begun_at -> BigInt,
        used_at -> BigInt,
        ends_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
        revoked_by -> Nullable<Binary>,
        second_factor -> Bool,
    }
}

diesel::table! {
    api_key (id) {
        id -> Binary,
        staff -> Binary,
        name -> Text,
        hash -> Binary,
        scopes -> Text,
        made_by -> Binary,
        made_at -> BigInt,
        expires_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    second_factor (staff) {
        staff -> Binary,
        secret -> Binary,
        made_at -> BigInt,
        confirmed_at -> Nullable<BigInt>,
        last_step -> BigInt,
    }
}

diesel::table! {
    refresh_token (hash) {
        hash -> Binary,
        session -> Binary,
        parent -> Nullable<Binary>,
        issued_at -> BigInt,
        used_at -> Nullable<BigInt>,
        superseded -> Bool,
    }
}

diesel::table! {
    idempotency (key) {
        key -> Binary,
        request -> Binary,
        attempt -> Binary,
        lease_until -> BigInt,
        begun_at -> BigInt,
        status -> Nullable<Integer>,
        content_type -> Nullable<Text>,
        location -> Nullable<Text>,
        etag -> Nullable<Text>,
        body -> Nullable<Binary>,
        persons -> Binary,
        sees -> Binary,
    }
}

diesel::table! {
    audit (id) {
        id -> Binary,
        at -> BigInt,
        staff -> Nullable<Binary>,
        device -> Nullable<Binary>,
        action -> Text,
        subject -> Nullable<Binary>,
        persons -> Binary,
        detail -> Text,
        reason -> Nullable<Text>,
        source -> Nullable<Text>,
        request -> Nullable<Text>,
        position -> Nullable<BigInt>,
        hash -> Nullable<Binary>,
    }
}

diesel::table! {
    audit_person (position, household, resident) {
        position -> BigInt,
        household -> Binary,
        resident -> Binary,
        scope -> Binary,
    }
}

diesel::table! {
    audit_chain (id) {
        id -> Integer,
        position -> BigInt,
        hash -> Binary,
        holder -> Nullable<Binary>,
        lease_until -> BigInt,
    }
}

diesel::table! {
    actor (id) {
        id -> Binary,
        staff -> Binary,
        device -> Nullable<Binary>,
        registered_at -> BigInt,
        relayed -> Bool,
    }
}

diesel::table! {
    scope (id) {
        id -> Binary,
        position -> BigInt,
    }
}

diesel::table! {
    document (id, epoch) {
        id -> Binary,
        epoch -> BigInt,
        kind -> Integer,
        home -> Binary,
        household -> Binary,
        year -> Integer,
        heads -> Binary,
        frozen -> Bool,
    }
}

diesel::table! {
    snapshot (document, epoch) {
        document -> Binary,
        epoch -> BigInt,
        position -> BigInt,
        hash -> Binary,
        bytes -> Binary,
    }
}

diesel::table! {
    change (document, epoch, hash) {
        document -> Binary,
        epoch -> BigInt,
        hash -> Binary,
        actor -> Binary,
        sequence -> BigInt,
        largest_op -> BigInt,
        scope -> Binary,
        position -> BigInt,
        staff -> Binary,
        device -> Nullable<Binary>,
        made_at -> BigInt,
        received_at -> BigInt,
        bytes -> Binary,
    }
}

diesel::table! {
    feed (scope, position) {
        scope -> Binary,
        position -> BigInt,
        document -> Binary,
        epoch -> BigInt,
        change -> Binary,
        kind -> Integer,
    }
}

diesel::table! {
    held (document, epoch, hash) {
        document -> Binary,
        epoch -> BigInt,
        hash -> Binary,
        waits_for -> Binary,
        code -> Text,
        scope -> Binary,
        staff -> Binary,
        device -> Nullable<Binary>,
        received_at -> BigInt,
        last_contact -> BigInt,
        expires_at -> BigInt,
        digest -> Binary,
        sealed -> Binary,
        id -> Binary,
        home -> Binary,
        depends_on -> Binary,
        size -> BigInt,
    }
}

diesel::table! {
    quarantine (document, epoch, digest) {
        document -> Binary,
        epoch -> BigInt,
        digest -> Binary,
        change -> Nullable<Binary>,
        code -> Text,
        step -> Integer,
        detail -> Text,
        scope -> Binary,
        staff -> Binary,
        device -> Nullable<Binary>,
        received_at -> BigInt,
        sealed -> Binary,
        id -> Binary,
        home -> Binary,
        depends_on -> Binary,
        size -> BigInt,
        last_contact -> BigInt,
        decided_at -> Nullable<BigInt>,
        decided_by -> Nullable<Binary>,
        decided_why -> Nullable<Text>,
    }
}

diesel::table! {
    household (id) {
        id -> Binary,
        scope -> Binary,
        status -> Nullable<Text>,
        contact_phone -> Nullable<Text>,
        remark -> Nullable<Text>,
        address -> Nullable<Text>,
        building -> Nullable<Text>,
        unit -> Nullable<Text>,
        floor -> Nullable<BigInt>,
        door -> Nullable<Text>,
        dwelling_status -> Nullable<Text>,
        open_conflicts -> Integer,
        dwelling_key -> Nullable<Text>,
    }
}

diesel::table! {
    resident (household, id) {
        household -> Binary,
        id -> Binary,
        scope -> Binary,
        name -> Nullable<Text>,
        sex -> Nullable<Text>,
        birth_date -> Nullable<Text>,
        phone -> Nullable<Text>,
        second_phone -> Nullable<Text>,
        occupation -> Nullable<Text>,
        employment -> Nullable<Text>,
        residence_kind -> Nullable<Text>,
        ethnicity -> Nullable<Text>,
        guardian -> Nullable<Text>,
        died_on -> Nullable<Text>,
        citizen_number -> Nullable<Text>,
        citizen_number_hash -> Nullable<Binary>,
        citizen_number_shown -> Nullable<Text>,
        citizen_number_unreadable -> Nullable<Text>,
    }
}

diesel::table! {
    membership (household, id) {
        household -> Binary,
        id -> Binary,
        resident -> Nullable<Text>,
        relation -> Nullable<Text>,
        since -> Nullable<Text>,
        until -> Nullable<Text>,
    }
}

diesel::table! {
    need (household, subject, kind) {
        household -> Binary,
        subject -> Text,
        kind -> Text,
        affirmed_by -> Binary,
        purpose -> Nullable<Text>,
        basis -> Nullable<Text>,
        sensitivity -> Nullable<BigInt>,
        expires -> Nullable<Text>,
        note -> Nullable<Text>,
    }
}

diesel::table! {
    conflict (household, path, ordinal) {
        household -> Binary,
        path -> Text,
        ordinal -> Integer,
        scope -> Binary,
        value -> Nullable<Text>,
        actor -> Binary,
        staff -> Binary,
        made_at -> BigInt,
    }
}

diesel::table! {
    fact (document, epoch, id) {
        document -> Binary,
        epoch -> BigInt,
        id -> Binary,
        household -> Binary,
        scope -> Binary,
        kind -> Text,
        corrects -> Nullable<Binary>,
        mode -> Nullable<Text>,
        outcome -> Nullable<Text>,
        started_at -> BigInt,
        ended_at -> BigInt,
        note -> Nullable<Text>,
        change -> Binary,
        staff -> Binary,
        received_at -> BigInt,
        bytes -> Binary,
    }
}

diesel::table! {
    sealing_key (id) {
        id -> Binary,
        finds -> Bool,
        noted_at -> BigInt,
    }
}

diesel::table! {
    household_merge (duplicate) {
        duplicate -> Binary,
        survivor -> Binary,
        merged_at -> BigInt,
        staff -> Binary,
        why -> Text,
    }
}

diesel::table! {
    not_duplicate (one, other) {
        one -> Binary,
        other -> Binary,
        said_at -> BigInt,
        staff -> Binary,
        why -> Text,
    }
}

diesel::table! {
    search (word, place) {
        word -> Text,
        place -> Binary,
    }
}

diesel::table! {
    break_glass (id) {
        id -> Binary,
        staff -> Binary,
        area -> Binary,
        household -> Nullable<Binary>,
        reason -> Text,
        begun_at -> BigInt,
        ends_at -> BigInt,
        reviewed_by -> Nullable<Binary>,
        reviewed_at -> Nullable<BigInt>,
        verdict -> Nullable<Text>,
        note -> Nullable<Text>,
    }
}

diesel::table! {
    reveal (id) {
        id -> Binary,
        staff -> Binary,
        at -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    actor,
    assignment,
    audit,
    audit_person,
    break_glass,
    change,
    conflict,
    device,
    document,
    fact,
    feed,
    household,
    household_merge,
    instance,
    membership,
    need,
    not_duplicate,
    resident,
    scope,
    session,
    snapshot,
    staff,
);
