-- Forgets the answers that were kept.
DROP TABLE idempotency;
