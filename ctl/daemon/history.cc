#include "ctl/daemon/history.h"

#include <chrono>
#include <map>
#include <tuple>

namespace fairlead::daemon {
namespace {

using model::Backend;

std::int64_t nanoseconds(model::Time time) {
    return time.time_since_epoch().count();
}

model::Time time_of(std::int64_t nanoseconds) {
    return model::Time(std::chrono::nanoseconds(nanoseconds));
}

}  // namespace

std::vector<store::Remembered> unnoted(model::Model& model, bool all) {
    std::vector<store::Remembered> remembered;
    for (model::Service& service : model.services()) {
        for (Backend& backend : service.backends) {
            if (backend.is_noted && !all) {
                continue;
            }
            backend.is_noted = true;
            remembered.push_back({{service.config.name, backend.name},
                                  backend.address,
                                  std::string(to_text(backend.effective)),
                                  nanoseconds(backend.since),
                                  backend.drain_start ? nanoseconds(*backend.drain_start) : 0,
                                  backend.transitions});
        }
    }
    return remembered;
}

bool recall(const std::vector<store::Remembered>& remembered, model::Model& model) {
    using Key = std::tuple<std::string_view, std::string_view, IpAddress>;
    std::map<Key, const store::Remembered*> index;
    for (const store::Remembered& each : remembered) {
        index[{each.backend.service, each.backend.name, each.address}] = &each;
    }
    std::size_t known = 0;
    for (model::Service& service : model.services()) {
        for (Backend& backend : service.backends) {
            const auto found = index.find({service.config.name, backend.name, backend.address});
            if (found == index.end()) {
                continue;
            }
            ++known;
            const store::Remembered& was = *found->second;
            const bool is_same = was.effective == to_text(backend.effective);
            backend.transitions = was.transitions + (is_same ? 0U : 1U);
            if (is_same) {
                backend.since = time_of(was.since_ns);
                if (backend.drain_start && was.drain_start_ns != 0) {
                    backend.drain_start = time_of(was.drain_start_ns);
                }
                backend.is_noted = true;
            }
        }
    }
    return known == remembered.size();
}

}  // namespace fairlead::daemon
