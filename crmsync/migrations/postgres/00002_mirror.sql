-- +goose Up
CREATE TABLE crmsync_pulls (
	kind        BIGINT NOT NULL,
	scope       TEXT NOT NULL,    -- the campaign, '' without one
	watermark   BIGINT NOT NULL, -- everything that changed up to here is in the mirror
	sweeps      BIGINT NOT NULL, -- complete ones
	page        BIGINT NOT NULL, -- of a sweep that was begun and not ended
	sweep_begun BIGINT NOT NULL,
	PRIMARY KEY (kind, scope)
);
CREATE TABLE crmsync_seen (
	kind  BIGINT NOT NULL,
	scope TEXT NOT NULL,
	id    TEXT NOT NULL,
	PRIMARY KEY (kind, scope, id)
);

CREATE TABLE crm_contacts (
	id TEXT PRIMARY KEY, contact_type TEXT, type TEXT, lead_id TEXT, customer_id TEXT, external_id TEXT, name TEXT, phone TEXT, email TEXT, gender TEXT,
	date_of_birth TEXT, industry TEXT, stage TEXT, tags TEXT, source TEXT, responsible_staff TEXT, score_available NUMERIC, score_rank NUMERIC, rank_name TEXT,
	created_at TIMESTAMPTZ, updated_at TIMESTAMPTZ, raw TEXT NOT NULL, pulled_at TIMESTAMPTZ NOT NULL, deleted_at TIMESTAMPTZ
);
CREATE TABLE crm_orders (
	id TEXT PRIMARY KEY, number TEXT, external_id TEXT, name TEXT, stage TEXT, status TEXT, branch TEXT, value NUMERIC, discount NUMERIC, shipping_cost NUMERIC,
	total_payment NUMERIC, quantity NUMERIC, currency TEXT, customer_id TEXT, receiver_name TEXT, receiver_phone TEXT, description TEXT,
	created_at TIMESTAMPTZ, updated_at TIMESTAMPTZ, raw TEXT NOT NULL, pulled_at TIMESTAMPTZ NOT NULL, deleted_at TIMESTAMPTZ
);
CREATE TABLE crm_products (
	id TEXT PRIMARY KEY, code TEXT, external_id TEXT, name TEXT, value NUMERIC, raw TEXT NOT NULL, pulled_at TIMESTAMPTZ NOT NULL, deleted_at TIMESTAMPTZ
);
CREATE TABLE crm_tickets (
	id TEXT PRIMARY KEY, external_id TEXT, title TEXT, status TEXT, priority TEXT, sla TEXT, category TEXT, ticket_group TEXT, assigned_to TEXT, contact_name TEXT,
	created_at TIMESTAMPTZ, updated_at TIMESTAMPTZ, raw TEXT NOT NULL, pulled_at TIMESTAMPTZ NOT NULL, deleted_at TIMESTAMPTZ
);
CREATE TABLE crm_points (
	id TEXT PRIMARY KEY, code TEXT, serial_number TEXT, score NUMERIC, status TEXT, product_code TEXT, customer_id TEXT, contact_name TEXT,
	created_at TIMESTAMPTZ, raw TEXT NOT NULL, pulled_at TIMESTAMPTZ NOT NULL, deleted_at TIMESTAMPTZ
);
CREATE TABLE crm_redemptions (
	id TEXT PRIMARY KEY, gift_code TEXT, gift_name TEXT, score NUMERIC, status TEXT, customer_id TEXT, contact_name TEXT,
	created_at TIMESTAMPTZ, raw TEXT NOT NULL, pulled_at TIMESTAMPTZ NOT NULL, deleted_at TIMESTAMPTZ
);
CREATE TABLE crm_telesales (
	id TEXT PRIMARY KEY, campaign_id TEXT, created_at TIMESTAMPTZ, raw TEXT NOT NULL, pulled_at TIMESTAMPTZ NOT NULL, deleted_at TIMESTAMPTZ
);
CREATE TABLE crm_telecalls (
	id TEXT PRIMARY KEY, campaign_id TEXT, created_at TIMESTAMPTZ, raw TEXT NOT NULL, pulled_at TIMESTAMPTZ NOT NULL, deleted_at TIMESTAMPTZ
);

CREATE INDEX crm_orders_customer ON crm_orders (customer_id);

CREATE VIEW crm_orders_by_stage AS
	SELECT stage, (created_at AT TIME ZONE 'UTC')::date AS day, count(*) AS orders, sum(value) AS value
	FROM crm_orders WHERE deleted_at IS NULL GROUP BY stage, (created_at AT TIME ZONE 'UTC')::date;
CREATE VIEW crm_customers_without_order AS
	SELECT c.id, c.name, c.phone, c.email, c.created_at FROM crm_contacts c
	WHERE c.deleted_at IS NULL AND c.contact_type = 'customer'
	AND NOT EXISTS (SELECT 1 FROM crm_orders o WHERE o.deleted_at IS NULL AND o.customer_id = c.customer_id);
CREATE VIEW crm_open_tickets AS
	SELECT id, title, status, priority, assigned_to, contact_name, created_at, extract(day FROM now() - created_at)::int AS age_days
	FROM crm_tickets WHERE deleted_at IS NULL AND lower(COALESCE(status, '')) NOT IN ('closed', 'resolved', 'solved', 'done', 'cancelled');

-- +goose Down
DROP VIEW crm_open_tickets;
DROP VIEW crm_customers_without_order;
DROP VIEW crm_orders_by_stage;
DROP TABLE crm_telecalls;
DROP TABLE crm_telesales;
DROP TABLE crm_redemptions;
DROP TABLE crm_points;
DROP TABLE crm_tickets;
DROP TABLE crm_products;
DROP TABLE crm_orders;
DROP TABLE crm_contacts;
DROP TABLE crmsync_seen;
DROP TABLE crmsync_pulls;
