"""What people are told: in the platform always, by email unless they have switched it off."""
