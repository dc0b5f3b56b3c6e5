-- `aud` tells resource servers apart: what one API is called must not be what another's tokens say.
CREATE TRIGGER api_names_ins BEFORE INSERT ON api BEGIN
    SELECT RAISE(ABORT, 'another API is named so: api.app_id')
        WHERE EXISTS (SELECT 1 FROM api WHERE audience = NEW.app_id AND id <> NEW.id);
    SELECT RAISE(ABORT, 'another API is named so: api.audience')
        WHERE EXISTS (SELECT 1 FROM api WHERE app_id = NEW.audience AND id <> NEW.id);
END;
CREATE TRIGGER api_names_upd BEFORE UPDATE OF app_id, audience ON api BEGIN
    SELECT RAISE(ABORT, 'another API is named so: api.app_id')
        WHERE EXISTS (SELECT 1 FROM api WHERE audience = NEW.app_id AND id <> NEW.id);
    SELECT RAISE(ABORT, 'another API is named so: api.audience')
        WHERE EXISTS (SELECT 1 FROM api WHERE app_id = NEW.audience AND id <> NEW.id);
END;
