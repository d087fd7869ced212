"""syncd and its peers on the same table: who takes how long, embeds how often, and is wrong afterwards."""
