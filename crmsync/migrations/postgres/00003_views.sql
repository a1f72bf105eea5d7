-- +goose Up
DROP VIEW crm_orders_by_stage;
CREATE VIEW crm_orders_by_stage AS -- the days of Vietnam, which has no summer time
	SELECT stage, (created_at AT TIME ZONE INTERVAL '+7 hours')::date AS day, count(*) AS orders, sum(value) AS value
	FROM crm_orders WHERE deleted_at IS NULL GROUP BY stage, (created_at AT TIME ZONE INTERVAL '+7 hours')::date;
DROP VIEW crm_customers_without_order;
CREATE VIEW crm_customers_without_order AS -- an order names its customer by the CRM's number or by the caller's own key
	SELECT c.id, c.name, c.phone, c.email, c.created_at FROM crm_contacts c
	WHERE c.deleted_at IS NULL AND c.contact_type = 'customer'
	AND COALESCE(c.customer_id, '') NOT IN (SELECT customer_id FROM crm_orders WHERE deleted_at IS NULL AND customer_id IS NOT NULL)
	AND COALESCE(c.external_id, '') NOT IN (SELECT raw::json #>> '{dealWith,customerIdApiRing}' FROM crm_orders
		WHERE deleted_at IS NULL AND COALESCE(raw::json #>> '{dealWith,customerIdApiRing}', '') <> '');

-- +goose Down
DROP VIEW crm_customers_without_order;
CREATE VIEW crm_customers_without_order AS
	SELECT c.id, c.name, c.phone, c.email, c.created_at FROM crm_contacts c
	WHERE c.deleted_at IS NULL AND c.contact_type = 'customer'
	AND NOT EXISTS (SELECT 1 FROM crm_orders o WHERE o.deleted_at IS NULL AND o.customer_id = c.customer_id);
DROP VIEW crm_orders_by_stage;
CREATE VIEW crm_orders_by_stage AS
	SELECT stage, (created_at AT TIME ZONE 'UTC')::date AS day, count(*) AS orders, sum(value) AS value
	FROM crm_orders WHERE deleted_at IS NULL GROUP BY stage, (created_at AT TIME ZONE 'UTC')::date;
