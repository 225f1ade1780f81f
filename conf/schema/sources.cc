#include "conf/schema/sources.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "conf/schema/keys.h"
#include "conf/schema/scalars.h"

namespace fairlead::conf {

namespace {

struct ByContent {
    bool operator()(const SourceList& a, const SourceList& b) const {
        return a->size() != b->size() ? a->size() < b->size() : *a < *b;
    }
};

[[nodiscard]] std::size_t size_of(const SourceList& list) {
    return list ? list->size() : 0;
}

// Says of each prefix of `both` where it is denied, and where it is allowed.
void refuse(const Node& service, const std::vector<IpPrefix>& both, Problems& problems) {
    std::map<IpPrefix, Place> allowed;
    for (const Node& item : Reading::elements(service, "allow")) {
        if (const auto prefix = parse_source_prefix(item.text)) {
            allowed.emplace(*prefix, item.place);
        }
    }
    for (const Node& item : Reading::elements(service, "deny")) {
        const auto prefix = parse_source_prefix(item.text);
        if (prefix && std::binary_search(both.begin(), both.end(), *prefix)) {
            problems.add(item.place,
                         fmt::format("{} is in \"allow\" too, at line {}: it cannot be both",
                                     quoted(item.text),
                                     allowed[*prefix].line));
        }
    }
}

}  // namespace

void share_equal_lists(Config& config) {
    std::set<SourceList, ByContent> lists;
    for (ServiceConfig& service : config.services) {
        for (SourceList* list : {&service.allow, &service.deny}) {
            if (size_of(*list) == 0) {
                list->reset();
            } else {
                *list = *lists.insert(*list).first;
            }
        }
    }
}

void validate_sources(const Reading& reading, Problems& problems) {
    const std::vector<Node>& nodes = Reading::elements(*reading.root, "service");
    std::set<std::pair<SourceList, SourceList>> counted;
    std::size_t prefixes = 0;
    bool is_said = false;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        const ServiceConfig& service = reading.config.services[i];
        if (service.allow && service.deny) {
            std::vector<IpPrefix> both;
            std::set_intersection(service.allow->begin(),
                                  service.allow->end(),
                                  service.deny->begin(),
                                  service.deny->end(),
                                  std::back_inserter(both));
            if (!both.empty()) {
                refuse(nodes[i], both, problems);
            }
        }
        if (counted.emplace(service.allow, service.deny).second) {
            prefixes += size_of(service.allow) + size_of(service.deny);
        }
        if (prefixes > kMaxPrefixes && !is_said) {
            is_said = true;
            problems.add(Reading::place_of(nodes[i], service.deny ? "deny" : "allow"),
                         fmt::format("{} source prefixes up to here; all services together can "
                                     "have {}, where equal lists count once",
                                     prefixes,
                                     kMaxPrefixes));
        }
    }
}

}  // namespace fairlead::conf
