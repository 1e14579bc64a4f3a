CREATE TABLE autoscalers (
    id TEXT NOT NULL PRIMARY KEY,
    -- What is scaled. One autoscaler each: two would undo each other's work.
    workload TEXT NOT NULL UNIQUE,
    -- The request as it came, in JSON.
    request TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- What came of it so far, in JSON.
    progress TEXT NOT NULL,
    -- The instance that acts on it, or nobody; and how often the lease was taken or renewed.
    holder TEXT NOT NULL,
    renewals BIGINT NOT NULL
);
CREATE TABLE states (
    id TEXT NOT NULL PRIMARY KEY REFERENCES autoscalers (id) ON DELETE CASCADE,
    state BYTEA NOT NULL
);
CREATE TABLE readings (
    workload TEXT NOT NULL,
    metric TEXT NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    measured_at BIGINT NOT NULL,
    PRIMARY KEY (workload, metric)
);
