//! Every statement of items that roll to files, by name; the test of all statements looks at their plans too.

use crate::sync::statements::statements;

statements! {
    /// Jobs that ended by then and whose items are here, after a place: job, finished, acknowledged, until when it may be taken back. What
    /// is not through, has a device to tell something, or a command that is open is not among them.
    ROLLS_ENDED = r"
        select j.id, j.finished_ms, j.acknowledged_ms is not null, j.restore_until_ms
        from drain_jobs j indexed by drain_jobs_ended
        where j.finished_ms is not null and j.rolled = 0 and j.finished_ms <= ?1 and (j.finished_ms, j.id) > (?2, ?3)
            and j.undo_n is null and j.waiting = 0 and j.sent = 0
            and not exists (select 1 from untold u indexed by untold_by_job where u.job = j.id)
            and not exists (select 1 from commands c indexed by commands_by_job where c.job is not null and c.job = 'J' || j.id and c.state < 3)
        order by j.finished_ms, j.id limit ?4";
    /// Items of a set after a place, as its file has them.
    ROLL_ITEMS = r"
        select n, client, operation_id, behind, outcome, code, detail, command, at_ms, together, along
        from drain_items where set_id = ?1 and n > ?2 order by n limit ?3";
    /// Names the file of a job, unless something has become of the job since it was read.
    ROLL_NAME = r"
        update drain_jobs set rolled = 1, rolled_ms = ?3, rolled_file = ?4, rolled_rows = ?5, rolled_sha256 = ?6
        where id = ?1 and rolled = 0 and finished_ms = ?2 and undo_n is null and waiting = 0 and sent = 0
            and not exists (select 1 from untold u indexed by untold_by_job where u.job = drain_jobs.id)";
    FIGURES_PUT = "insert into drain_figures (job, figures) values (?1, ?2) on conflict (job) do update set figures = excluded.figures";
    FIGURES_VIEW = "select figures from drain_figures where job = ?1";
    FIGURES_DROP = "delete from drain_figures where job = ?1";
    /// The first job whose items are in its file and go.
    ROLL_OPEN = "select id from drain_jobs indexed by drain_jobs_rolling where rolled = 1 and id > 0 order by id limit 1";
    ROLL_END = "update drain_jobs set rolled = ?2 where id = ?1 and rolled = 1";
    /// As if its file had never been named.
    ROLL_UNNAME = r"
        update drain_jobs set rolled = 0, rolled_ms = null, rolled_file = null, rolled_rows = null, rolled_sha256 = null
        where id = ?1 and rolled = 1";
    /// Items of a set that are still here.
    ROLL_LEFT = "select count(*) from drain_items where set_id = ?1";

    VERIFY_ROLLED = r"
        select j.id, j.set_id, j.rolled, j.rolled_file, j.rolled_rows, j.rolled_sha256, j.waiting, j.sent, j.ok, j.skipped, j.failed,
            s.entries, s.hash
        from drain_jobs j cross join drain_sets s on s.id = j.set_id where j.id > ?1 and j.rolled > 0 order by j.id limit ?2";
}
