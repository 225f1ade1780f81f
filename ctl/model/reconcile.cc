#include "ctl/model/reconcile.h"

#include <map>

#include "ctl/model/service.h"

namespace fairlead::model {
namespace {

using FileBackends = std::map<BackendKey, const conf::BackendConfig*>;

FileBackends index_of(const conf::Config& config) {
    FileBackends index;
    for (const conf::ServiceConfig& service : config.services) {
        for (const conf::BackendConfig& backend : service.backends) {
            index[{service.name, backend.name}] = &backend;
        }
    }
    return index;
}

const conf::ServiceConfig* service_in_file(const conf::Config& config, const std::string& name) {
    for (const conf::ServiceConfig& service : config.services) {
        if (service.name == name) {
            return &service;
        }
    }
    return nullptr;
}

bool describes_the_same(const Removal& removal, const conf::BackendConfig& backend) {
    return removal.address == backend.address && removal.weight == backend.weight &&
           removal.mac == backend.mac;
}

bool is_taken_by_fallback(const conf::ServiceConfig& service,
                          const std::string& name,
                          const IpAddress& address) {
    return service.fallback &&
           (name == conf::kFallbackName || address == service.fallback->address);
}

class Reconciliation {
  public:
    Reconciliation(const conf::Config& config,
                   Overrides& overrides,
                   std::vector<std::string>& events)
        : config_(config), file_(index_of(config)), overrides_(overrides), events_(events) {}

    // Removals first: an addition yields to backends of the file that are wanted.
    void run() {
        for (auto& [key, entry] : overrides_) {
            look_at_service(key, entry);
        }
        for (auto& [key, entry] : overrides_) {
            if (!entry.is_orphaned) {
                look_at_removal(key, entry, in_file(key));
            }
        }
        for (auto entry = overrides_.begin(); entry != overrides_.end();) {
            if (!entry->second.is_orphaned) {
                look_at(entry->first, entry->second);
            }
            entry = entry->second.empty() ? overrides_.erase(entry) : std::next(entry);
        }
    }

  private:
    const conf::BackendConfig* in_file(const BackendKey& key) const {
        const auto found = file_.find(key);
        return found == file_.end() ? nullptr : found->second;
    }

    // A service may be missing by mistake, and come back with the next reading of the file.
    void look_at_service(const BackendKey& key, BackendOverrides& entry) {
        const bool is_there = service_in_file(config_, key.service) != nullptr;
        if (!is_there && !entry.is_orphaned) {
            say(key,
                "the file has no service " + key.service +
                    ": what was set is kept until the file is read once more");
        } else if (!is_there) {
            say(key, "its service is gone: what was set is dropped");
            entry = {};
            return;
        }
        entry.is_orphaned = !is_there;
    }

    void look_at(const BackendKey& key, BackendOverrides& entry) {
        const conf::BackendConfig* in_file = this->in_file(key);
        look_at_addition(key, entry, in_file);
        const bool exists = entry.addition || (in_file != nullptr && !entry.removal);
        if (!exists && (entry.admin || entry.weight)) {
            say(key, "there is no such backend any more: what was set on it is dropped");
            entry.admin.reset();
            entry.weight.reset();
        }
        look_at_weight(key, entry, in_file);
    }

    void look_at_removal(const BackendKey& key,
                         BackendOverrides& entry,
                         const conf::BackendConfig* in_file) {
        if (!entry.removal ||
            (in_file != nullptr && describes_the_same(*entry.removal, *in_file))) {
            return;
        }
        if (in_file == nullptr) {
            say(key, "the file has lost it too: its removal is not needed any more");
        } else {
            if (!entry.admin) {
                entry.admin = entry.removal->admin;
            }
            say(key,
                "the file has changed it since it was removed: it is back" +
                    (entry.admin ? ", in " + std::string(to_text(entry.admin->value)) + " as before"
                                 : std::string()));
        }
        entry.removal.reset();
    }

    void look_at_addition(const BackendKey& key,
                          BackendOverrides& entry,
                          const conf::BackendConfig* in_file) {
        if (!entry.addition) {
            return;
        }
        if (in_file != nullptr && !entry.removal) {
            say(key, "the file has it now: the file's takes the place of the one added");
            entry.addition.reset();
            return;
        }
        const conf::ServiceConfig& service = *service_in_file(config_, key.service);
        if (const std::string reason = why_not_a_backend(service, entry.addition->address);
            !reason.empty()) {
            say(key, reason + ": the backend added to it is dropped");
        } else if (const std::string vip = why_a_vip(config_.services, entry.addition->address);
                   !vip.empty()) {
            say(key, vip + ": the backend added to it is dropped");
        } else if (is_taken_by_fallback(service, key.name, entry.addition->address)) {
            say(key, "the service's fallback has its name or address: the one added is dropped");
        } else if (const std::string* other = wanted_at(service, entry.addition->address)) {
            say(key,
                "the file has its address as backend " + *other + " now: that one takes its place");
        } else {
            return;
        }
        entry.addition.reset();
    }

    // The name of the file's backend of this address, unless it was removed at run time; nullptr if
    // there is none.
    const std::string* wanted_at(const conf::ServiceConfig& service,
                                 const IpAddress& address) const {
        for (const conf::BackendConfig& backend : service.backends) {
            if (backend.address != address) {
                continue;
            }
            const auto entry = overrides_.find({service.name, backend.name});
            if (entry == overrides_.end() || !entry->second.removal) {
                return &backend.name;
            }
        }
        return nullptr;
    }

    void look_at_weight(const BackendKey& key,
                        BackendOverrides& entry,
                        const conf::BackendConfig* in_file) {
        if (!entry.weight || entry.addition || in_file == nullptr ||
            entry.weight->in_file == in_file->weight) {
            return;
        }
        say(key,
            "the file's weight has changed to " + std::to_string(in_file->weight) +
                ": it takes the place of the " + std::to_string(entry.weight->value) + " set by " +
                entry.weight->made.by);
        entry.weight.reset();
    }

    void say(const BackendKey& key, const std::string& what) {
        events_.push_back(to_text(key) + ": " + what);
    }

    const conf::Config& config_;
    FileBackends file_;
    Overrides& overrides_;
    std::vector<std::string>& events_;
};

}  // namespace

std::vector<std::string> reconcile(const conf::Config& config, Overrides& overrides) {
    std::vector<std::string> events;
    Reconciliation(config, overrides, events).run();
    return events;
}

}  // namespace fairlead::model
