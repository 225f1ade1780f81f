// What is wrong between keys that are each right: duplicates, families, limits, what cannot work.
#pragma once

#include "conf/schema/problems.h"
#include "conf/schema/read.h"

namespace fairlead::conf {

// Values that were refused on reading are left out, so that one mistake is one message.
void validate_node(const Reading& reading, Problems& problems);      // [engine], [[port]]
void validate_services(const Reading& reading, Problems& problems);  // [[service]] and below
// Of services: ranges of ports and any port, and what hash = "source" goes with.
void validate_service_keys(const Reading& reading, Problems& problems);

// Why that address cannot be a host's, as a word for messages; empty if it can.
[[nodiscard]] std::string_view why_not_a_host(const IpAddress& address) noexcept;

}  // namespace fairlead::conf
