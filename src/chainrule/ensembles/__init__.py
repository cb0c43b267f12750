"""Several networks as one model: trained, combined, measured, saved, and learned from by a small one."""
