-- What rules say of events was called secret-events before there were any. What is packed is of no format then, and parsed.
UPDATE roles SET rules = replace(rules, '"secret-events"', '"secret-event-subscriptions"'), packed = CAST('?' AS BYTES)
    WHERE project_id IS NOT NULL AND rules LIKE '%"secret-events"%';
UPDATE project_privileges SET rules = replace(rules, '"secret-events"', '"secret-event-subscriptions"'), packed = CAST('?' AS BYTES)
    WHERE rules LIKE '%"secret-events"%';
