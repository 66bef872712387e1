//! Every statement on `sync.db`, by name. A test prepares all of them and looks at their plans.

use std::sync::{Arc, OnceLock};

/// Rows that one statement of an [`Insert`] may carry, largest first. Each statement is a way to the driver's thread and back, so a
/// batch of a hundred rows should be three statements, not nine.
pub(crate) const CHUNKS: [usize; 9] = [256, 128, 64, 32, 16, 8, 4, 2, 1];

/// A statement that writes many rows at once, in a few fixed sizes so that each is prepared once.
#[derive(Debug)]
pub(crate) struct Insert {
    head: &'static str,
    columns: usize,
    tail: &'static str,
    texts: OnceLock<[Arc<str>; CHUNKS.len()]>,
}

impl Insert {
    pub(crate) const fn new(head: &'static str, columns: usize, tail: &'static str) -> Self {
        Self { head, columns, tail, texts: OnceLock::new() }
    }

    /// The text for one of the sizes of [`CHUNKS`], by its place there.
    pub(crate) fn text(&self, chunk: usize) -> Arc<str> {
        let texts = self.texts.get_or_init(|| {
            CHUNKS.map(|rows| {
                let row = format!("({})", vec!["?"; self.columns].join(", "));
                format!("{} values {} {}", self.head, vec![row; rows].join(", "), self.tail).into()
            })
        });
        Arc::clone(&texts[chunk])
    }
}

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $text:expr;)*) => {
        $($(#[$doc])* pub(crate) const $name: &str = $text;)*
        /// Every single statement, by name.
        #[cfg(test)]
        pub(crate) const SINGLE: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

macro_rules! inserts {
    ($($(#[$doc:meta])* $name:ident = $head:expr, $columns:expr, $tail:expr;)*) => {
        $($(#[$doc])* pub(crate) static $name: Insert = Insert::new($head, $columns, $tail);)*
        /// Every statement that writes many rows, by name.
        #[cfg(test)]
        pub(crate) static MANY: &[(&str, &Insert)] = &[$((stringify!($name), &$name)),*];
    };
}

pub(crate) use {inserts, statements};

pub(crate) mod control;
pub(crate) mod feed;
pub(crate) mod untold;

/// Makes the younger generation of what is remembered the older one. `protocol.md` asks for a rename, since rows by the
/// million would hold up the writer.
pub(crate) const MEMORY_ROTATE: [&str; 3] = [
    "drop table dedupe_prev",
    "alter table dedupe rename to dedupe_prev",
    r"create table dedupe (
        client     integer not null,
        idem_key   text    not null,
        digest     blob    not null constraint dedupe_digest_length check (length(digest) = 32),
        status     integer not null constraint dedupe_status_known check (status between 1 and 5),
        seq        integer,
        version    integer,
        result     text,
        client_seq integer,
        at_ms      integer not null,
        primary key (client, idem_key)
    ) strict, without rowid",
];

statements! {
    META_LIST = "select k, v from meta";
    META_PUT = "insert into meta (k, v) values (?1, ?2) on conflict (k) do update set v = excluded.v";
    CLOCKS_PUT = "insert into meta (k, v) values ('server_hlc', ?1), ('decided_ms', ?2) on conflict (k) do update set v = excluded.v";
    EPOCH_ADD = "insert into epochs (epoch, parent, fork_seq, created_ms, reason) values (?1, ?2, ?3, ?4, ?5)";
    EPOCH_LIST = "select epoch, parent, fork_seq from epochs";
    LOG_HEAD = "select seq, chain, committed_ms from changes order by seq desc limit 1";
    GENESIS_ADD = r"
        insert into changes (seq, collection, record_id, scope, op, version, prev_seq, hlc, client, operation_id, schema_version, policy_rev, decision, committed_ms, digest, chain)
        values (1, 0, '', 0, 12, 0, 0, 0, 0, 'genesis', 0, 0, 0, ?1, ?2, ?3)";
    CONFLICT_CLOSE = "update conflicts set state = 1, resolution = ?2, resolved_by = ?3, resolved_seq = ?4 where id = ?1";
    CONFLICTS_MOVE = "update conflicts set scope = ?3 where collection = ?1 and record_id = ?2 and state = 0";
    CONFLICT_LAST = "select coalesce(max(id), 0) from conflicts";
    DEAD_LETTER_LAST = "select coalesce(max(id), 0) from dead_letters";
    COLLECTION_LIST = "select id, name, schema_min, schema_cur, priority, policy, policy_rev from collections order by id";
    COLLECTION_PUT = r"
        insert into collections (id, name, schema_min, schema_cur, priority, policy, policy_rev) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
        on conflict (id) do update set schema_min = excluded.schema_min, schema_cur = excluded.schema_cur,
            priority = excluded.priority, policy = excluded.policy, policy_rev = excluded.policy_rev";
    POLICY_REV_ADD = "insert into policy_revs (collection, rev, policy, by, at_ms) values (?1, ?2, ?3, ?4, ?5)";
    SCOPE_LIST = r"
        select s.id, s.name, coalesce((select max(c.seq) from changes c where c.scope = s.id), 0) from scopes s order by s.id";
    SCOPE_ADD = "insert into scopes (id, name) values (?1, ?2)";
    DIGEST_LIST = "select scope, collection, rows, digest from scope_digest";
    CLIENT_LIST = r"
        select id, client_id, principal, platform, app_version, schema_version, scopes, simulated, blocked, role, role_rank, created_ms,
            last_client_seq, ack_floor, public_key
        from clients where id > ?1 order by id limit ?2";
    CLIENT_PUT = r"
        insert into clients (id, client_id, principal, platform, app_version, schema_version, scopes, simulated, blocked, role, role_rank,
            created_ms, public_key)
        values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
        on conflict (id) do update set principal = excluded.principal, platform = excluded.platform,
            app_version = excluded.app_version, schema_version = excluded.schema_version, scopes = excluded.scopes,
            simulated = excluded.simulated, blocked = excluded.blocked, role = excluded.role, role_rank = excluded.role_rank,
            public_key = excluded.public_key";
    /// `[[client, nonce, end in seconds], …]`.
    NONCE_ADD = r"
        insert into nonces (client, nonce, exp_s) select j.value ->> 0, j.value ->> 1, j.value ->> 2 from json_each(?1) j where true
        on conflict (client, nonce) do nothing";
    NONCE_DROP = "delete from nonces where exp_s < ?1";
    NONCE_LIST = "select client, nonce, exp_s from nonces where exp_s >= ?1 order by exp_s desc limit ?2";

    /// How far devices have come: `[[client, last_client_seq, ack_floor], …]`.
    SEQUENCE_PUT = r"
        update clients set last_client_seq = j.value ->> 1, ack_floor = j.value ->> 2 from json_each(?1) j where clients.id = j.value ->> 0";
    /// The highest counter that is remembered of a device.
    SEQUENCE_LAST = r"
        select coalesce(max(last), 0) from (
            select max(client_seq) as last from dedupe where client = ?1
            union all
            select max(client_seq) as last from dedupe_prev where client = ?1
        )";
    /// Forgets answers that a device has stored, among the oldest of its keys. An answer without a row in any log stays: whoever
    /// depends on its operation finds it nowhere else.
    MEMORY_PRUNE = r"
        delete from dedupe where client = ?1 and idem_key in (
            select p.idem_key from (select idem_key, client_seq, status, result from dedupe where client = ?1 order by idem_key limit ?3) p
            where p.client_seq <= ?2 and not (p.status = 1 and p.result ->> 'noop' is 1)
        )";
    /// What became of `[[client, operation], …]` by the logs alone: 1 when it stands, 0 when it was refused. What was refused and then
    /// settled, or taken out of the way of what depends on it, stands. Of one whose corrected copy its device sends, the copy is asked;
    /// one in escrow, or uploaded by a device that keeps it, is not answered yet.
    OUTCOME_FIND = r"
        with recursive p (client, named, operation) as (
            select j.value ->> 0, j.value ->> 1, j.value ->> 1 from json_each(?1) j
            union
            select p.client, p.named, d.successor
            from p cross join dead_letters d on d.client = p.client and d.operation_id = p.operation
            where d.state = 7 and d.passes = 0 and d.successor is not null
        )
        select group_concat(line, char(30)) from (
            select concat_ws(char(31), p.client, p.named, iif(d.passes = 1 or d.state in (1, 7), 1, 0)) as line
            from p cross join dead_letters d on d.client = p.client and d.operation_id = p.operation
            where d.passes = 1 or d.state <> 6 and not (d.state = 7 and d.successor is not null)
                and not (d.origin = 2 and d.job is null and d.state <> 1)
            union all
            select concat_ws(char(31), p.client, p.named, 1) as line
            from p cross join conflicts k on k.operation_id = p.operation where k.client = p.client
            union all
            select concat_ws(char(31), p.client, p.named, 1) as line
            from p cross join changes c on c.operation_id = p.operation where c.client = p.client
            union all
            select concat_ws(char(31), p.client, p.named, 1) as line
            from p cross join dedupe m on m.client = p.client and m.idem_key = p.operation where p.operation <> p.named and m.status <> 5
            union all
            select concat_ws(char(31), p.client, p.named, 1) as line
            from p cross join dedupe_prev m on m.client = p.client and m.idem_key = p.operation where p.operation <> p.named and m.status <> 5
        )";
    /// The latest older versions of `[[collection, record, last_seq], …]`, by walking each record's chain.
    HISTORY_LATEST = r"
        with recursive past (collection, record_id, seq, prev_seq, depth) as (
            select j.value ->> 0, j.value ->> 1, c.seq, c.prev_seq, 0
            from json_each(?1) j cross join changes c on c.seq = j.value ->> 2
            union all
            select p.collection, p.record_id, c.seq, c.prev_seq, p.depth + 1
            from past p cross join changes c on c.seq = p.prev_seq
            where p.depth < ?2
        )
        select group_concat(line, char(30)) from (
            select concat_ws(char(31), p.collection, p.record_id, c.version, ifnull(c.fields, '')) as line
            from past p cross join changes c on c.seq = p.seq
            where p.depth > 0
        )";

    /// What is remembered of `[[client, key], …]`, in both generations.
    MEMORY_FIND = r"
        select group_concat(line, char(30)) from (
            select concat_ws(char(31), d.client, d.idem_key, hex(d.digest), d.status, ifnull(d.seq, ''), ifnull(d.version, ''),
                ifnull(d.result, ''), ifnull(c.hlc, ''), ifnull(c.hlc_node, ''), ifnull(c.fields, ''), ifnull(c.collection, '')) as line
            from json_each(?1) j
            cross join dedupe d on d.client = j.value ->> 0 and d.idem_key = j.value ->> 1
            left join changes c on c.seq = d.seq
            union all
            select concat_ws(char(31), d.client, d.idem_key, hex(d.digest), d.status, ifnull(d.seq, ''), ifnull(d.version, ''),
                ifnull(d.result, ''), ifnull(c.hlc, ''), ifnull(c.hlc_node, ''), ifnull(c.fields, ''), ifnull(c.collection, '')) as line
            from json_each(?1) j
            cross join dedupe_prev d on d.client = j.value ->> 0 and d.idem_key = j.value ->> 1
            left join changes c on c.seq = d.seq
        )";
    /// The records of `[[collection, record], …]` with their bodies.
    RECORD_FIND = r"
        select group_concat(line, char(30)) from (
            select concat_ws(char(31), r.collection, r.record_id, r.scope, r.version, r.last_seq, r.hlc, r.hlc_node, r.deleted,
                r.conflicted, r.last_client, r.last_operation_id, hex(r.content_hash), ifnull(r.meta, ''), ifnull(c.fields, '')) as line
            from json_each(?1) j
            cross join records r on r.collection = j.value ->> 0 and r.record_id = j.value ->> 1
            left join changes c on c.seq = r.last_seq
        )";
    /// One older version for each of `[[collection, record, last_seq, version], …]`, by walking the record's chain.
    HISTORY_FIND = r"
        with recursive past (collection, record_id, seq, wanted, version, prev_seq, depth) as (
            select j.value ->> 0, j.value ->> 1, c.seq, j.value ->> 3, c.version, c.prev_seq, 0
            from json_each(?1) j cross join changes c on c.seq = j.value ->> 2
            union all
            select p.collection, p.record_id, c.seq, p.wanted, c.version, c.prev_seq, p.depth + 1
            from past p cross join changes c on c.seq = p.prev_seq
            where p.version > p.wanted and p.depth < 1000
        )
        select group_concat(line, char(30)) from (
            select concat_ws(char(31), p.collection, p.record_id, p.version, ifnull(c.fields, '')) as line
            from past p cross join changes c on c.seq = p.seq
            where p.version = p.wanted
        )";
    /// The last body of each deleted one of `[[collection, record, last_seq], …]`, by walking the record's chain: what is deleted may be
    /// deleted again.
    HISTORY_LIVE = r"
        with recursive past (collection, record_id, seq, version, prev_seq, gone, depth) as (
            select j.value ->> 0, j.value ->> 1, c.seq, c.version, c.prev_seq, c.fields is null, 0
            from json_each(?1) j cross join changes c on c.seq = j.value ->> 2
            union all
            select p.collection, p.record_id, c.seq, c.version, c.prev_seq, c.fields is null, p.depth + 1
            from past p cross join changes c on c.seq = p.prev_seq
            where p.gone and p.depth < 1000
        )
        select group_concat(line, char(30)) from (
            select concat_ws(char(31), p.collection, p.record_id, p.version, c.fields) as line
            from past p cross join changes c on c.seq = p.seq
            where not p.gone
        )";

    /// The records that `[[collection, id], …]` are other ids of.
    ALIAS_FIND = r"
        select group_concat(line, char(30)) from (
            select concat_ws(char(31), a.collection, a.alias_id, a.record_id) as line
            from json_each(?1) j
            cross join aliases a on a.collection = j.value ->> 0 and a.alias_id = j.value ->> 1
        )";
    /// The anchors near each of `[[collection, hash in hex, from, to], …]`.
    ANCHOR_FIND = r"
        select group_concat(line, char(30)) from (
            select concat_ws(char(31), n.collection, hex(n.exact_hash), n.tol_value, n.seq, n.record_id) as line
            from json_each(?1) j
            cross join natural_keys n on n.collection = j.value ->> 0 and n.exact_hash = unhex(j.value ->> 1)
                and n.tol_value between j.value ->> 2 and j.value ->> 3
        )";
    /// What waits beside each of `[[collection, record, [conflict, …]], …]`, every branch of it, and the entries that are named. 5 is the
    /// kind of reviews, 6 that of branches, 7 that of approvals.
    STANDOFF_FIND = r"
        select group_concat(line, char(30)) from (
            select concat_ws(char(31), f.collection, f.record_id, f.id, ifnull(f.branch, ''), f.state, iif(f.kind = 7, f.client, ''),
                ifnull(f.inputs ->> 'device_rank', 0),
                iif(f.kind = 5, (select json_group_array(p.key) from json_each(f.local) p where p.key is not null), '')) as line
            from json_each(?1) j
            cross join conflicts f on f.collection = j.value ->> 0 and f.record_id = j.value ->> 1
            where f.state = 0 or f.kind = 6 or f.id in (select p.value from json_each(j.value ->> 2) p)
        )";

    TIME_PUT = "insert into time_index (second, seq) values (?1, ?2) on conflict (second) do update set seq = excluded.seq";

    /// The last commit of the last second that had one.
    TIME_FIND = "select seq from time_index where second <= ?1 order by second desc limit 1";

    VERIFY_CHANGES = "select * from changes where seq > ?1 order by seq limit ?2";
    VERIFY_RECORDS = "select * from records where (collection, record_id) > (?1, ?2) order by collection, record_id limit ?3";
    VERIFY_CONFLICTED = "select distinct collection, record_id from conflicts where state = 0";
    /// Operations on fields that merge by themselves, with the record before and after them.
    VERIFY_MERGES = r"
        select c.seq, c.operation_id, c.detail, c.fields, b.fields
        from changes c left join changes b on b.seq = c.prev_seq
        where c.seq > ?1 and c.op = 5 order by c.seq limit ?2";
    VERIFY_CONFLICT_STATES = "select id, state from conflicts";
    VERIFY_POLICIES = "select collection, rev, policy from policy_revs";
    /// The revision of the configuration as it was at an instant.
    POLICY_REVISION_AT = r"
        select coalesce(sum(rev), 0) from (select max(rev) as rev from policy_revs where at_ms <= ?1 group by collection)";
    VERIFY_ANCHORS = "select collection, hex(exact_hash), tol_value, seq, record_id from natural_keys";
    VERIFY_ALIASES = "select collection, alias_id, record_id from aliases";
    VERIFY_DIGESTS = "select scope, collection, rows, digest from scope_digest";
    VERIFY_AUDIT = "select * from audit_events where id > ?1 order by id limit ?2";
    AUDIT_LAST = "select coalesce(max(id), 0) from audit_events";
    /// Positions of every change of a record, as a JSON array: `[collection, …]`, record id.
    RECORD_SEQS = r"
        with recursive past (seq, prev_seq, depth) as (
            select c.seq, c.prev_seq, 0
            from json_each(?1) j
            cross join records r on r.collection = j.value and r.record_id = ?2
            cross join changes c on c.seq = r.last_seq
            union all
            select c.seq, c.prev_seq, p.depth + 1
            from past p cross join changes c on c.seq = p.prev_seq
            where p.depth < 10000
        )
        select json_group_array(seq) from past";
    CHANGE_OF_OPERATION = r"
        select client, seq, collection, record_id, scope, op, version, hlc, hlc_node, hlc_claimed, policy_rev, decision, fields, committed_ms
        from changes where operation_id = ?1 and op <= 5 order by seq desc limit 1";
    CONFLICT_OF_OPERATION = r"
        select id, collection, record_id, scope, state, local, client, created_ms
        from conflicts where operation_id = ?1 order by id desc limit 1";
    DEAD_LETTER_OF_OPERATION = r"
        select id, client, operation_id, mutation, sealed, code, at_ms, origin = 2 and job is null as uploaded
        from dead_letters where operation_id = ?1 order by id desc limit 1";
    /// What is remembered of a key: of one device, or when that is not known of every device. The latest comes last.
    MEMORY_OF_KEY = r"
        select group_concat(line, char(30)) from (
            select concat_ws(char(31), d.at_ms, d.client, d.idem_key, hex(d.digest), d.status, ifnull(d.seq, ''), ifnull(d.version, ''),
                ifnull(d.result, ''), ifnull(c.hlc, ''), ifnull(c.hlc_node, ''), ifnull(c.fields, '')) as line
            from clients k
            cross join dedupe d on d.client = k.id and d.idem_key = ?1
            left join changes c on c.seq = d.seq
            where ?2 is null or k.id = ?2
            union all
            select concat_ws(char(31), d.at_ms, d.client, d.idem_key, hex(d.digest), d.status, ifnull(d.seq, ''), ifnull(d.version, ''),
                ifnull(d.result, ''), ifnull(c.hlc, ''), ifnull(c.hlc_node, ''), ifnull(c.fields, '')) as line
            from clients k
            cross join dedupe_prev d on d.client = k.id and d.idem_key = ?1
            left join changes c on c.seq = d.seq
            where ?2 is null or k.id = ?2
        )";
    AUDIT_HEAD = "select id, chain from audit_events order by id desc limit 1";

    /// The newest row of each scope that changes no record.
    CONTROL_HEADS = "select scope, max(seq) from changes indexed by changes_ctl where op > 5 group by scope";
    /// A record with its last change.
    RECORD_VIEW = r"
        select c.seq, c.op, c.version, c.scope, c.hlc, c.hlc_node, c.client, c.operation_id, c.schema_version, c.changed, c.fields,
            c.committed_ms, r.conflicted, json_extract(r.meta, '$.vector') as vector
        from records r cross join changes c on c.seq = r.last_seq where r.collection = ?1 and r.record_id = ?2";
    /// Versions of a record from a position downwards, newest first.
    RECORD_HISTORY = r"
        with recursive past (seq, prev_seq, depth) as (
            select c.seq, c.prev_seq, 1 from changes c where c.seq = ?1 and c.collection = ?2 and c.record_id = ?3 and c.op <= 5
            union all
            select c.seq, c.prev_seq, p.depth + 1 from past p cross join changes c on c.seq = p.prev_seq where p.depth < ?4
        )
        select c.seq, c.op, c.version, c.scope, c.hlc, c.hlc_node, c.client, c.operation_id, c.schema_version, c.changed, c.fields,
            c.committed_ms, 0 as conflicted, json_extract(c.detail, '$.vector') as vector
        from past p cross join changes c on c.seq = p.seq";
    /// Open entries of the conflicts log that operations of a device have.
    CONFLICTS_OF_CLIENT = "select id from conflicts where client = ?1 and state = 0 and id > ?2 order by id limit ?3";
    /// Open entries of the conflicts log in a scope.
    CONFLICTS_OF_SCOPE = "select id from conflicts where scope = ?1 and state = 0 and id > ?2 order by id limit ?3";
    /// Entries of the conflicts log, `[id, …]`, with the records that they are about.
    CONFLICT_VIEW = r"
        select f.id, f.collection, f.record_id, coalesce(r.scope, f.scope) as scope, f.kind, f.policy_rev, f.inputs, f.base, f.local,
            f.server, f.client, f.operation_id, f.state, f.branch, f.created_ms, r.version, c.fields
        from json_each(?1) j
        cross join conflicts f on f.id = j.value
        left join records r on r.collection = f.collection and r.record_id = f.record_id
        left join changes c on c.seq = r.last_seq";
}

inserts! {
    // What fails here fails the whole group. Saying so spares SQLite a copy of every page that a statement touches, which it keeps to
    // take back one statement of many rows.
    CHANGE_ADD = r"insert or rollback into changes (seq, collection, record_id, scope, op, version, prev_seq, hlc, hlc_node, hlc_claimed, client,
        operation_id, schema_version, policy_rev, decision, changed, fields, detail, committed_ms, digest, chain)", 21, "";
    /// Records that did not exist before.
    RECORD_ADD = r"insert or rollback into records (collection, record_id, scope, version, last_seq, hlc, hlc_node, deleted, conflicted,
        last_client, last_operation_id, content_hash, meta)", 13, "";
    RECORD_PUT = r"insert into records (collection, record_id, scope, version, last_seq, hlc, hlc_node, deleted, conflicted,
        last_client, last_operation_id, content_hash, meta)", 13, r"
        on conflict (collection, record_id) do update set scope = excluded.scope, version = excluded.version, last_seq = excluded.last_seq,
            hlc = excluded.hlc, hlc_node = excluded.hlc_node, deleted = excluded.deleted, conflicted = excluded.conflicted,
            last_client = excluded.last_client, last_operation_id = excluded.last_operation_id, content_hash = excluded.content_hash,
            meta = excluded.meta";
    MEMORY_ADD = "insert or rollback into dedupe (client, idem_key, digest, status, seq, version, result, client_seq, at_ms)", 9, "";
    CONFLICT_ADD = r"insert into conflicts (id, collection, record_id, scope, seq, kind, policy_rev, inputs, base, local, server, client,
        operation_id, state, resolution, branch, created_ms)", 17, "";
    DEAD_LETTER_ADD = r"insert into dead_letters (id, client, operation_id, code, detail, mutation, origin, state, home, at_ms, changed_ms,
        sealed, together)", 13, r"
        on conflict (client, operation_id) do nothing";
    DIGEST_PUT = "insert into scope_digest (scope, collection, rows, digest)", 4, r"
        on conflict (scope, collection) do update set rows = excluded.rows, digest = excluded.digest";
    /// The first anchor of a thing is the one that stays.
    ANCHOR_ADD = "insert into natural_keys (collection, exact_hash, tol_value, seq, record_id)", 5, "";
    ALIAS_ADD = "insert into aliases (collection, alias_id, record_id)", 3, r"
        on conflict (collection, alias_id) do update set record_id = excluded.record_id";
    AUDIT_ADD = "insert into audit_events (id, at_ms, actor, action, subject, before, after, trace_id, chain)", 9, "";
}
