#include "ctl/model/guard.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "ctl/model/min_healthy.h"
#include "ctl/model/renames.h"

namespace fairlead::model {
namespace {

constexpr std::size_t kNamed = 5;  // a message stays readable with thousands of servers

// Backends with a share of new flows, by name and address.
using Serving = std::map<std::pair<std::string, IpAddress>, std::uint32_t>;

Serving serving_of(const Service* service) {
    Serving serving;
    if (service == nullptr) {
        return serving;
    }
    for (const Backend& backend : service->backends) {
        if (backend.ring_weight() > 0) {
            serving[{backend.name, backend.address}] = backend.ring_weight();
        }
    }
    return serving;
}

// Whether the same servers take new flows of both: what most services of most changes are.
bool is_served_alike(const Service& before, const Service& after) {
    return std::equal(before.backends.begin(),
                      before.backends.end(),
                      after.backends.begin(),
                      after.backends.end(),
                      [](const Backend& one, const Backend& other) {
                          return (one.ring_weight() > 0) == (other.ring_weight() > 0) &&
                                 one.name == other.name && one.address == other.address;
                      });
}

// What becomes of the services, by the names that they had.
class Afterwards {
  public:
    Afterwards(const std::vector<Service>& before, const std::vector<Service>& after)
        : renames_(renames_between(before, after)) {
        for (const Service& service : after) {
            by_name_.emplace(service.config.name, &service);
        }
    }
    // nullptr: nothing.
    [[nodiscard]] const Service* of(const std::string& name) const {
        const auto renamed = renames_.find(name);
        const auto found = by_name_.find(renamed == renames_.end() ? name : renamed->second);
        return found == by_name_.end() ? nullptr : found->second;
    }

  private:
    Renames renames_;
    std::unordered_map<std::string_view, const Service*> by_name_;
};

struct Loss {
    std::vector<std::string> names;
    std::uint64_t lost = 0;  // weights
    std::uint64_t come = 0;
    std::uint64_t before = 0;
    bool is_down = false;  // nothing would be left

    [[nodiscard]] bool is_guarded() const {
        const std::uint64_t net = lost > come ? lost - come : 0;
        return !names.empty() && (is_down || net * 2 > before);
    }
};

Loss loss_of(const Serving& before, const Serving& after) {
    Loss loss;
    loss.is_down = after.empty();
    for (const auto& [identity, weight] : before) {
        loss.before += weight;
        if (!after.contains(identity)) {
            loss.lost += weight;
            loss.names.push_back(identity.first);
        }
    }
    for (const auto& [identity, weight] : after) {
        loss.come += before.contains(identity) ? 0U : weight;
    }
    return loss;
}

std::string list_of(const std::vector<std::string>& names) {
    std::string list;
    for (std::size_t i = 0; i < std::min(names.size(), kNamed); ++i) {
        list += (i == 0 ? "" : ", ") + names[i];
    }
    return names.size() > kNamed ? list + ", ..." : list;
}

std::string describe(const std::string& service, const Loss& loss, std::size_t serving) {
    const std::string what = std::to_string(loss.names.size()) + " of the " +
                             std::to_string(serving) + " backends that serve (" +
                             list_of(loss.names) + ")";
    if (loss.is_down) {
        return service + " would lose " + what + ", and no backend would be left to serve it";
    }
    return service + " would lose " + what + ", with " + std::to_string(loss.lost) + " of " +
           std::to_string(loss.before) + " of the weight: more than half";
}

}  // namespace

std::string why_guarded(const std::vector<Service>& before, const std::vector<Service>& after) {
    std::string why;
    std::size_t told = 0;
    std::size_t more = 0;
    const Afterwards afterwards(before, after);
    for (const Service& was : before) {
        const Service* const is = afterwards.of(was.config.name);
        if (is != nullptr && is_served_alike(was, *is)) {
            continue;
        }
        const Serving serving = serving_of(&was);
        const Loss loss = loss_of(serving, serving_of(is));
        const std::string lost = loss.is_guarded() ? describe(was.config.name, loss, serving.size())
                                 : is == nullptr   ? ""
                                                   : why_too_few(was, *is);
        if (lost.empty()) {
            continue;
        }
        if (told == kNamed) {
            ++more;
            continue;
        }
        ++told;
        why += (why.empty() ? "" : "; ") + lost;
    }
    return more == 0 ? why : why + "; and likewise " + std::to_string(more) + " more services";
}

}  // namespace fairlead::model
