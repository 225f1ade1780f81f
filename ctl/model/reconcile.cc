#include "ctl/model/reconcile.h"

#include <map>

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

bool has_service(const conf::Config& config, const std::string& name) {
    for (const conf::ServiceConfig& service : config.services) {
        if (service.name == name) {
            return true;
        }
    }
    return false;
}

bool describes_the_same(const Removal& removal, const conf::BackendConfig& backend) {
    return removal.address == backend.address && removal.weight == backend.weight &&
           removal.mac == backend.mac;
}

class Reconciliation {
  public:
    Reconciliation(const conf::Config& config, std::vector<std::string>& events)
        : config_(config), file_(index_of(config)), events_(events) {}

    void look_at(const BackendKey& key, BackendOverrides& entry) {
        const auto found = file_.find(key);
        const conf::BackendConfig* in_file = found == file_.end() ? nullptr : found->second;
        look_at_removal(key, entry, in_file);
        look_at_addition(key, entry, in_file);
        const bool exists = entry.addition || (in_file != nullptr && !entry.removal);
        if (!exists && (entry.admin || entry.weight)) {
            say(key, "there is no such backend any more: what was set on it is dropped");
            entry.admin.reset();
            entry.weight.reset();
        }
        look_at_weight(key, entry, in_file);
    }

  private:
    void look_at_removal(const BackendKey& key,
                         BackendOverrides& entry,
                         const conf::BackendConfig* in_file) {
        if (!entry.removal ||
            (in_file != nullptr && describes_the_same(*entry.removal, *in_file))) {
            return;
        }
        say(key,
            in_file != nullptr ? "the file has changed it since it was removed: it is back"
                               : "the file has lost it too: its removal is not needed any more");
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
        } else if (!has_service(config_, key.service)) {
            say(key, "its service is gone: the backend added to it is dropped");
        } else {
            return;
        }
        entry.addition.reset();
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
    std::vector<std::string>& events_;
};

}  // namespace

std::vector<std::string> reconcile(const conf::Config& config, Overrides& overrides) {
    std::vector<std::string> events;
    Reconciliation reconciliation(config, events);
    for (auto entry = overrides.begin(); entry != overrides.end();) {
        reconciliation.look_at(entry->first, entry->second);
        entry = entry->second.empty() ? overrides.erase(entry) : std::next(entry);
    }
    return events;
}

}  // namespace fairlead::model
