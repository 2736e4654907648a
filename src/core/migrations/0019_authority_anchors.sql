-- Each authority once more as a root, which is what peers trust; made when the organisation's authorities are next read.
ALTER TABLE authorities ADD COLUMN anchor TEXT;
