-- A shop's orders, and the account that syncd reads them with. psql runs this once, when the database is made.
\set ON_ERROR_STOP on

CREATE TABLE orders (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product     text NOT NULL,
    description text NOT NULL,
    category    text NOT NULL,
    region      text NOT NULL,
    price       numeric(10, 2) NOT NULL CHECK (price >= 0),
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    deleted_at  timestamptz
);

-- syncd reads in this order; without the index every run would sort the whole table.
CREATE INDEX orders_updated_at_id ON orders (updated_at, id);

-- A change that does not move updated_at would not be seen. A trigger cannot be forgotten.
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

CREATE TRIGGER orders_touch BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch();

INSERT INTO orders (product, description, category, region, price) VALUES
    ('Merino base layer', 'A thin wool shirt that stays warm when it is wet and does not smell after a week of hiking.', 'clothing', 'EU', 79.90),
    ('Down jacket', 'Packs into its own pocket. For cold evenings at camp; keep it away from rain.', 'clothing', 'EU', 229.00),
    ('Rain shell', 'Waterproof jacket with taped seams and a hood that fits over a climbing helmet.', 'clothing', 'US', 189.50),
    ('Trail running shoes', 'Light shoes with a grippy sole for mud, roots and wet rock.', 'footwear', 'EU', 134.00),
    ('Leather boots', 'Stiff boots for heavy loads and crampons; need a few weeks to be broken in.', 'footwear', 'US', 310.00),
    ('Gas stove', 'Boils a litre of water in three minutes. Folds to the size of a fist.', 'cooking', 'EU', 44.95),
    ('Titanium mug', 'Holds 450 ml, weighs 70 g, and may stand in the fire.', 'cooking', 'EU', 32.00),
    ('Moka pot', 'Strong coffee for two on any flame.', 'cooking', 'US', 28.50),
    ('Freeze-dried curry', 'Vegetable curry with rice. Add boiling water, wait eight minutes, eat from the bag.', 'food', 'EU', 8.90),
    ('Ginger tea', 'Thirty bags of ginger and lemon, hot and a little sharp: for sore throats and long nights.', 'food', 'EU', 6.40),
    ('Energy bars', 'Twelve bars of dates, nuts and cocoa; nothing melts and nothing freezes hard.', 'food', 'US', 21.60),
    ('Two-person tent', 'Free-standing, with two doors and two vestibules. Stands in four minutes.', 'sleeping', 'EU', 449.00),
    ('Sleeping bag', 'Synthetic filling, comfortable down to minus five degrees, also when damp.', 'sleeping', 'US', 159.00),
    ('Inflatable mat', 'Eight centimetres thick and quiet to turn over on; comes with a repair kit.', 'sleeping', 'EU', 119.00),
    ('Headlamp', 'Four hundred lumens, a red light for reading, charges by USB.', 'light', 'EU', 54.90),
    ('Solar panel', 'Twenty watts that hang on a backpack and charge a phone in an afternoon of sun.', 'electronics', 'US', 98.00),
    ('Satellite messenger', 'Sends a position and short texts from where no phone works, and calls for rescue.', 'electronics', 'EU', 349.00),
    ('Water filter', 'Hollow fibres that take out bacteria and parasites; squeeze and drink from the stream.', 'water', 'EU', 39.90),
    ('First-aid kit', 'Plasters, blister pads, a rescue blanket, tweezers for ticks, and a booklet.', 'safety', 'EU', 36.00),
    ('Avalanche transceiver', 'Three antennas, seventy metres of range, marks several buried people.', 'safety', 'EU', 289.00),
    ('Paper map', 'The range at 1:25,000 on paper that survives a wash.', 'navigation', 'US', 14.50);

-- The sum of what syncd may do: connect, read this table, and see when the oldest transaction began, so that rows of a
-- transaction that commits late are not passed over.
\set reader_password `cat "$READER_PASSWORD_FILE"`
CREATE ROLE reader LOGIN PASSWORD :'reader_password';
GRANT SELECT ON orders TO reader;
GRANT pg_read_all_stats TO reader;
