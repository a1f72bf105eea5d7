-- +goose Up
CREATE TABLE crmsync_meta (
	name  TEXT PRIMARY KEY,
	value TEXT NOT NULL
);

CREATE TABLE crmsync_records (
	kind       BIGINT NOT NULL,
	key        TEXT COLLATE "C" NOT NULL,
	digest     BYTEA,             -- of the record as last confirmed; NULL while it was never confirmed
	fields     BYTEA,             -- digests of its fields
	ref        TEXT,             -- the CRM's reference
	origin     SMALLINT NOT NULL, -- 1: created by a push, 2: by Ensure
	done_at    BIGINT,
	token      TEXT,             -- of the intent, NULL without one
	owner      TEXT,             -- who sends it; NULL once the call has ended without an answer
	action     BIGINT,
	detail     TEXT,
	begun_at   BIGINT,
	touched_at BIGINT,
	want       BYTEA,             -- digest and fields once the intent is confirmed
	want_fields BYTEA,
	PRIMARY KEY (kind, key)
);
CREATE INDEX crmsync_intents ON crmsync_records (kind, key) WHERE token IS NOT NULL;
CREATE INDEX crmsync_refs ON crmsync_records (kind, ref) WHERE ref IS NOT NULL;

CREATE TABLE crmsync_owners (
	id       TEXT PRIMARY KEY,
	alive_at BIGINT NOT NULL
);

-- +goose Down
DROP TABLE crmsync_owners;
DROP TABLE crmsync_records;
DROP TABLE crmsync_meta;
