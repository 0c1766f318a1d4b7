-- On which samples can a teacher that sees x1 teach a student that sees x2 the most?
--
-- The tenth of all samples with the highest uniqueness of x1, where x1 also tells the
-- label better than its prior does (i1 = r + u1 > 0): there the teacher knows what the
-- student's modality does not show. For a teacher that sees x2 exchange u1 and u2.
--
--   lsmi-etl sql -f distillation_candidates.sql --table annotated=digits.parquet
--
-- Columns: id and label are the table's own; write yours in their place.

SELECT id, label, u1, r + u1 AS teacher_nats, r + u2 AS student_nats
FROM (
    SELECT *, ntile(10) OVER (ORDER BY u1 DESC, id) AS tenth
    FROM annotated
    WHERE r IS NOT NULL
)
WHERE tenth = 1 AND r + u1 > 0
ORDER BY u1 DESC, id;
