//! The tables as Diesel sees them: the same as `migrations/` makes them, on either database.

diesel::table! {
    settings (name) {
        name -> Text,
        value -> Text,
    }
}

diesel::table! {
    accounts (id) {
        id -> BigInt,
        created_at -> BigInt,
        free_tier -> Nullable<Bool>,
        learned_daily_limit -> Nullable<BigInt>,
        daily_limit -> Nullable<BigInt>,
        minute_limit -> Nullable<BigInt>,
    }
}

diesel::table! {
    account_users (upstream_user) {
        upstream_user -> Text,
        account_id -> BigInt,
    }
}

diesel::table! {
    account_days (account_id, day) {
        account_id -> BigInt,
        day -> Integer,
        used -> BigInt,
    }
}

diesel::table! {
    cooldowns (place) {
        place -> Text,
        cause -> Text,
        since -> BigInt,
        ends_at -> Nullable<BigInt>,
        strikes -> Integer,
        guessed -> Bool,
    }
}

diesel::table! {
    keys (id) {
        id -> BigInt,
        label -> Text,
        hint -> Text,
        sealed -> Nullable<Text>,
        fingerprint -> Nullable<Text>,
        account_id -> BigInt,
        enabled -> Bool,
        daily_limit -> Nullable<BigInt>,
        used_total -> BigInt,
        last_used -> Nullable<BigInt>,
        fault -> Nullable<Text>,
        created_at -> BigInt,
        removed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    key_days (key_id, day) {
        key_id -> BigInt,
        day -> Integer,
        used -> BigInt,
    }
}

diesel::table! {
    listings (name) {
        name -> Text,
        fetched_at -> BigInt,
        body -> Text,
    }
}

diesel::table! {
    usage (request_id) {
        request_id -> Text,
        time -> BigInt,
        endpoint -> Text,
        model -> Text,
        model_served -> Nullable<Text>,
        key_id -> Nullable<BigInt>,
        key_label -> Nullable<Text>,
        account_id -> Nullable<BigInt>,
        token_id -> Nullable<BigInt>,
        client_kind -> Text,
        client_hint -> Nullable<Text>,
        stream -> Bool,
        status -> Integer,
        outcome -> Text,
        error_kind -> Nullable<Text>,
        prompt_tokens -> Nullable<BigInt>,
        completion_tokens -> Nullable<BigInt>,
        total_tokens -> Nullable<BigInt>,
        reasoning_tokens -> Nullable<BigInt>,
        cached_tokens -> Nullable<BigInt>,
        cost -> Nullable<Double>,
        attempts -> Integer,
        first_content_ms -> Nullable<BigInt>,
        duration_ms -> BigInt,
        provider -> Nullable<Text>,
        generation_id -> Nullable<Text>,
        attempt_log -> Nullable<Text>,
    }
}

diesel::table! {
    model_choices (model) {
        model -> Text,
        enabled -> Bool,
        changed_at -> BigInt,
    }
}

diesel::table! {
    usage_hours (part, hour, name, outcome) {
        part -> Text,
        hour -> BigInt,
        name -> Text,
        outcome -> Text,
        requests -> BigInt,
        prompt_tokens -> BigInt,
        completion_tokens -> BigInt,
        total_tokens -> BigInt,
        reasoning_tokens -> BigInt,
        cached_tokens -> BigInt,
        cost -> Double,
    }
}

diesel::table! {
    usage_times (hour, figure, bucket) {
        hour -> BigInt,
        figure -> Text,
        bucket -> Integer,
        requests -> BigInt,
    }
}

diesel::table! {
    usage_days (part, day, name, outcome) {
        part -> Text,
        day -> BigInt,
        name -> Text,
        outcome -> Text,
        requests -> BigInt,
        prompt_tokens -> BigInt,
        completion_tokens -> BigInt,
        total_tokens -> BigInt,
        reasoning_tokens -> BigInt,
        cached_tokens -> BigInt,
        cost -> Double,
    }
}

diesel::table! {
    usage_day_times (day, figure, bucket) {
        day -> BigInt,
        figure -> Text,
        bucket -> Integer,
        requests -> BigInt,
    }
}

diesel::table! {
    client_tokens (id) {
        id -> BigInt,
        name -> Text,
        digest -> Text,
        hint -> Text,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
        allowed_models -> Nullable<Text>,
        requests_per_day -> Nullable<BigInt>,
        requests_per_minute -> Nullable<BigInt>,
        used_total -> BigInt,
        last_used -> Nullable<BigInt>,
    }
}

diesel::table! {
    client_token_days (token_id, day) {
        token_id -> BigInt,
        day -> Integer,
        used -> BigInt,
    }
}

diesel::table! {
    instances (id) {
        id -> Text,
        version -> Text,
        host -> Text,
        pid -> BigInt,
        data_address -> Text,
        admin_address -> Text,
        started_at -> BigInt,
        beat_at -> BigInt,
        draining -> Bool,
    }
}

diesel::table! {
    admin_sessions (cookie) {
        cookie -> Text,
        password -> Text,
        began_at -> BigInt,
        used_at -> BigInt,
    }
}

diesel::table! {
    quota_leases (kind, subject, period) {
        kind -> Text,
        subject -> BigInt,
        period -> BigInt,
        leased -> BigInt,
    }
}

diesel::table! {
    quota_holdings (kind, subject, period, holder) {
        kind -> Text,
        subject -> BigInt,
        period -> BigInt,
        holder -> Text,
        held -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(client_tokens, client_token_days);
diesel::allow_tables_to_appear_in_same_query!(keys, key_days, accounts, account_users, account_days);
